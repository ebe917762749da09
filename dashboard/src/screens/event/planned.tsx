import { useMemo, useState } from 'react';
import type { DeliveryDetail, Webhook } from '../../api/types';
import { serverNow, useNow } from '../../state/now';
import { count, plural } from '../../ui/format';
import { Time, useFormatTime } from '../../ui/time';
import { isHeldBack } from '../deliveries/held';
import { retryPlan, type Planned, type RetryPlan } from './plan';

const SHOWN_FIRST = 3;

const PAUSED = 'as soon as the webhook is resumed';
const HELD = 'held back: the receiver or its failures asked to wait';

/** What is still to come, as hollow dots: the next one exactly, later ones about, and the end. */
export function PlannedRows({
  delivery,
  webhook,
}: {
  delivery: DeliveryDetail;
  webhook: Webhook | undefined;
}) {
  const [all, setAll] = useState(false);
  const now = useNow();
  const plan = useMemo(
    () => (webhook === undefined ? null : retryPlan(delivery, webhook.retry, serverNow())),
    [delivery, webhook],
  );
  if (plan === null || plan.next.length === 0) return null;
  const holds =
    delivery.waiting_for === 'paused' ? PAUSED : isHeldBack(delivery, now) ? HELD : null;
  // When one that is held goes on nobody knows, so neither is known what comes after.
  const planned = holds === null ? plan.next : plan.next.slice(0, 1);
  const shown = all ? planned : planned.slice(0, SHOWN_FIRST);
  const rest = planned.length - shown.length;
  return (
    <>
      {shown.map((one, at) => (
        <li key={one.number} className="timeline-row planned">
          <span className="timeline-dot" aria-hidden="true" />
          <p className="planned-row">
            <span className="attempt-number">
              <span className="hidden-text">Attempt </span>
              <span aria-hidden="true">#</span>
              {one.number}
            </span>
            <When planned={one} exact={at === 0} holds={holds} until={plan.tooOldAt} />
          </p>
        </li>
      ))}
      {rest > 0 && (
        <li className="timeline-row planned more">
          <span className="timeline-dot" aria-hidden="true" />
          <p className="planned-row">
            <button type="button" className="link" onClick={() => setAll(true)}>
              {plural(rest, 'more attempt')}
            </button>
          </p>
        </li>
      )}
      <li className="timeline-row planned end-of-plan">
        <span className="timeline-dot" aria-hidden="true" />
        <p className="planned-row muted">
          <span>
            <GivesUp plan={plan} holds={holds !== null} />
          </span>
        </p>
      </li>
    </>
  );
}

interface WhenProps {
  planned: Planned;
  exact: boolean;
  /** What holds it, instead of a time. */
  holds: string | null;
  until: number;
}

function When({ planned, exact, holds, until }: WhenProps) {
  const format = useFormatTime();
  const expected = iso(planned.expected);
  if (exact) {
    return holds !== null ? (
      <span>{holds}</span>
    ) : (
      <span>
        <b>
          <Time at={expected} />
        </b>{' '}
        <span className="muted">
          at <Time at={expected} as="clock" />
        </span>
      </span>
    );
  }
  if (planned.perhaps) {
    return <span>perhaps, not before {format(planned.earliest, true)}</span>;
  }
  const latest = Math.min(planned.latest, until);
  const sameDay = iso(planned.earliest).slice(0, 10) === iso(latest).slice(0, 10);
  return (
    <span>
      about <Time at={expected} />{' '}
      <span className="faint">
        between {format(planned.earliest, !sameDay)} and {format(latest, !sameDay)}
      </span>
    </span>
  );
}

function GivesUp({ plan, holds }: { plan: RetryPlan; holds: boolean }) {
  const upTo = `Up to ${count(plan.next.length)} more`;
  if (plan.lastAt === null) {
    return (
      <>
        {upTo}, until <Time at={iso(plan.tooOldAt)} as="full" />: then it is too old and gives up.
      </>
    );
  }
  if (holds) return <>{upTo}. If none succeeds it gives up with the last one.</>;
  return (
    <>
      {upTo}. If none succeeds it gives up with the last one, about <Time at={iso(plan.lastAt)} />.
    </>
  );
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
