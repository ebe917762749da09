import { asProblem } from '../../api/problem';
import { useWebhook } from '../../api/queries';
import type { DeliveryDetail } from '../../api/types';
import { useNow } from '../../state/now';
import { plural } from '../../ui/format';
import { Id, WebhookOf } from '../../ui/id';
import { ErrorState, Skeleton } from '../../ui/list-states';
import { Panel } from '../../ui/page';
import { DeliveryStatusPill } from '../../ui/status';
import { Time } from '../../ui/time';
import { ENDED_BY, HELD_BACK, STATUS_WORDS, WAITING_FOR } from '../../ui/words';
import { isHeldBack } from '../deliveries/held';
import { RowActions } from './row-actions';
import { Timeline } from './timeline';
import { useOpenDelivery } from './use-event';

/** The delivery that is open: where it stands, and its attempts that were and that will be. */
export function OpenDelivery({ id }: { id: string }) {
  const { data, error, refetch } = useOpenDelivery(id);
  const webhook = useWebhook(data?.webhook_url == null ? null : data.webhook_id);
  if (data === undefined) {
    return (
      <Panel title="Attempts">
        {error ? (
          <ErrorState problem={asProblem(error)} onRetry={() => void refetch()} />
        ) : (
          <Skeleton width="100%" height={160} />
        )}
      </Panel>
    );
  }
  return (
    <Panel
      title="Attempts"
      about={<DeliveryStatusPill delivery={data} />}
      actions={<RowActions delivery={data} words />}
      className="event-open"
    >
      <div className="stack">
        <Standing delivery={data} />
        <Timeline delivery={data} webhook={webhook.data} />
      </div>
    </Panel>
  );
}

function Standing({ delivery }: { delivery: DeliveryDetail }) {
  const held = isHeldBack(delivery, useNow());
  return (
    <div className="event-standing">
      <p>
        {delivery.ended_by !== null ? (
          <>
            {ENDED_BY[delivery.ended_by]}{' '}
            <span className="muted">
              Ended <Time at={delivery.ended_at} />.
            </span>
          </>
        ) : delivery.waiting_for === 'paused' ? (
          'The webhook is paused: it is sent when the webhook is resumed.'
        ) : held ? (
          HELD_BACK
        ) : delivery.waiting_for !== null ? (
          `It ${WAITING_FOR[delivery.waiting_for]}.`
        ) : (
          'It is about to be sent.'
        )}
      </p>
      <div className="event-standing-ids">
        <WebhookOf delivery={delivery} />
        <Id id={delivery.id} />
      </div>
      <p className="hidden-text" role="status">
        {STATUS_WORDS[delivery.status]}, {plural(delivery.attempt_count, 'attempt')} made
      </p>
    </div>
  );
}
