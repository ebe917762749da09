import type { Delivery } from '../../api/types';
import { useNow } from '../../state/now';
import { NextAttempt } from '../../ui/status';
import { HELD_BACK } from '../../ui/words';

/** What is known may be so old; a delivery that is due is sent within this time if nothing holds it. */
const LATE_MS = 10_000;

/**
 * Its own time has come, and its webhook waits all the same: after a Retry-After, or after failures.
 * Until when is not told by the API.
 */
export function isHeldBack(
  { waiting_for, next_attempt_at }: Pick<Delivery, 'waiting_for' | 'next_attempt_at'>,
  now: number,
): boolean {
  if (waiting_for !== 'backoff' || next_attempt_at === null) return false;
  return Date.parse(next_attempt_at) < now - LATE_MS;
}

/** When it is tried next, or why it is not. */
export function Next({ delivery }: { delivery: Delivery }) {
  if (isHeldBack(delivery, useNow())) {
    return (
      <span className="muted" data-tip={HELD_BACK}>
        held back
      </span>
    );
  }
  return <NextAttempt delivery={delivery} />;
}
