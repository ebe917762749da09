import type { DeliveryDetail, Webhook } from '../../api/types';

/** An attempt that is planned: between `earliest` and `latest`, which are the same if it is known. */
export interface Planned {
  number: number;
  earliest: number;
  latest: number;
  expected: number;
  /** Only if chance makes the gaps short: else it is too old by then. */
  perhaps: boolean;
}

export interface RetryPlan {
  /** As many as there may be at most. */
  next: Planned[];
  /** When about the last of them is, if all are sure to come before it is too old. */
  lastAt: number | null;
  /** When it would be too old whatever happens. */
  tooOldAt: number;
}

/**
 * The attempts that are still planned, by the rules of the server: `next_attempt_at` is exact, each
 * later gap is drawn from a range, so the later the attempt the wider is its range. Attempts by hand
 * are not of the plan.
 */
export function retryPlan(
  delivery: DeliveryDetail,
  retry: Webhook['retry'],
  now: number,
): RetryPlan | null {
  if (delivery.next_attempt_at === null) return null;
  const due = Date.parse(delivery.next_attempt_at);
  const most = plannedAttempts(retry);
  const tooOldAt = Date.parse(delivery.opened_at) + retry.max_age_ms;

  const next: Planned[] = [];
  let made = plannedSince(delivery);
  let at: Planned = {
    number: delivery.attempt_count + 1,
    // What is due and held up is sent when nothing holds it any more, and the rest follows from then.
    earliest: Math.max(due, now),
    latest: Math.max(due, now),
    expected: Math.max(due, now),
    perhaps: false,
  };
  while (at.earliest < tooOldAt) {
    next.push(at);
    made += 1;
    if (made >= most) {
      return { next, lastAt: at.latest < tooOldAt ? at.expected : null, tooOldAt };
    }
    const [least, longest] = gapAfter(made, retry);
    const expected = at.expected + (least + longest) / 2;
    at = {
      number: at.number + 1,
      earliest: at.earliest + least,
      latest: at.latest + longest,
      expected,
      perhaps: expected >= tooOldAt,
    };
  }
  return { next, lastAt: null, tooOldAt };
}

export function plannedAttempts(retry: Webhook['retry']): number {
  return retry.policy === 'schedule' ? retry.delays_ms.length + 1 : retry.max_attempts;
}

/** The range of the gap after so many failed attempts of the plan. */
export function gapAfter(made: number, retry: Webhook['retry']): [least: number, longest: number] {
  if (retry.policy === 'schedule') {
    const delay = retry.delays_ms[made - 1] ?? 0;
    return [delay, delay * 1.1];
  }
  const delay = Math.min(retry.cap_ms, retry.base_ms * retry.factor ** (made - 1));
  return [delay / 2, delay];
}

/** The attempts of the plan since it was opened or begun anew; those by hand are not of it. */
function plannedSince({ attempts, opened_at }: DeliveryDetail): number {
  const opened = Date.parse(opened_at);
  return attempts.filter(
    ({ trigger, started_at }) => trigger === 'schedule' && Date.parse(started_at) >= opened,
  ).length;
}
