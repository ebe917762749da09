import { useMemo, useState } from 'react';
import type { DeliveryDetail, Webhook } from '../../api/types';
import { serverNow } from '../../state/now';
import { plural } from '../../ui/format';
import { Time, useFormatTime } from '../../ui/time';
import { retryPlan, type Planned, type RetryPlan } from './plan';

const SHOWN_FIRST = 3;

/** What is still to come, as hollow dots: the next one exactly, later ones about, and the end. */
export function PlannedRows({
  delivery,
  webhook,
}: {
  delivery: DeliveryDetail;
  webhook: Webhook | undefined;
}) {
  const [all, setAll] = useState(false);
  const plan = useMemo(
    () => (webhook === undefined ? null : retryPlan(delivery, webhook.retry, serverNow())),
    [delivery, webhook],
  );
  if (plan === null || plan.next.length === 0) return null;
  const paused = delivery.waiting_for === 'paused';
  // When a paused one goes on nobody knows, so neither is known what comes after.
  const planned = paused ? plan.next.slice(0, 1) : plan.next;
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
            <When planned={one} exact={at === 0} paused={paused} />
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
            <GivesUp plan={plan} />
          </span>
        </p>
      </li>
    </>
  );
}

function When({ planned, exact, paused }: { planned: Planned; exact: boolean; paused: boolean }) {
  const format = useFormatTime();
  const expected = iso(planned.expected);
  if (exact) {
    return paused ? (
      <span>as soon as the webhook is resumed</span>
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
  const sameDay = iso(planned.earliest).slice(0, 10) === iso(planned.latest).slice(0, 10);
  return (
    <span>
      about <Time at={expected} />{' '}
      <span className="faint">
        between {format(planned.earliest, !sameDay)} and {format(planned.latest, !sameDay)}
      </span>
    </span>
  );
}

function GivesUp({ plan }: { plan: RetryPlan }) {
  const n = plan.next.length;
  const remain = n === 1 ? '1 attempt remains.' : `${n} attempts remain.`;
  if (plan.givesUpBy === 'age') {
    return (
      <>
        {remain} It gives up at the latest <Time at={iso(plan.tooOldAt)} />, on{' '}
        <Time at={iso(plan.tooOldAt)} as="full" />: then it is too old.
      </>
    );
  }
  return (
    <>
      {remain} If none succeeds it gives up with the last one, about{' '}
      <Time at={iso(plan.givesUpAt)} />.
    </>
  );
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
