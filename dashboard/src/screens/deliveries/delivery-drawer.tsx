import { useState } from 'react';
import { asProblem } from '../../api/problem';
import { isOver, useDelivery } from '../../api/queries';
import { useSession } from '../../api/session';
import type { DeliveryDetail } from '../../api/types';
import { useNow } from '../../state/now';
import { Button } from '../../ui/button';
import { Drawer } from '../../ui/drawer';
import { Id, WebhookOf } from '../../ui/id';
import { LinkButton } from '../../ui/link';
import { ErrorState, Skeleton } from '../../ui/list-states';
import { Facts } from '../../ui/page';
import { DeliveryStatusPill } from '../../ui/status';
import { Since, Time } from '../../ui/time';
import { ENDED_BY, HELD_BACK, WAITING_FOR } from '../../ui/words';
import { canRetry, retryLabel, useDeliveryAction } from './actions';
import { AttemptList } from './attempts';
import { isHeldBack, Next } from './held';
import { eventPath } from './paths';
import { CancelConfirm } from './row-menu';

/** A delivery in short, beside the list; its event's page has the rest. */
export function DeliveryDrawer({ id, onClose }: { id: string; onClose(): void }) {
  const { data, error, refetch } = useDelivery(id);
  return (
    <Drawer
      title={data?.event_type ?? 'Delivery'}
      of={id}
      aside={data && <DeliveryStatusPill delivery={data} />}
      footer={data && <Actions delivery={data} />}
      onClose={onClose}
    >
      {data ? (
        <Content delivery={data} />
      ) : error ? (
        <ErrorState problem={asProblem(error)} onRetry={() => void refetch()} />
      ) : (
        <div className="stack">
          <Skeleton />
          <Skeleton width="50%" />
          <Skeleton width="100%" height={160} />
        </div>
      )}
    </Drawer>
  );
}

function Content({ delivery }: { delivery: DeliveryDetail }) {
  const held = isHeldBack(delivery, useNow());
  const facts: [string, React.ReactNode][] = [
    ['Webhook', <WebhookOf delivery={delivery} />],
    ['Event', <Id id={delivery.event_id} to={eventPath(delivery)} />],
    ['Delivery', <Id id={delivery.id} />],
    ['Tenant', delivery.tenant],
    ['Accepted', <Time at={delivery.accepted_at} as="full" />],
  ];
  if (delivery.ended_at !== null) facts.push(['Ended', <Time at={delivery.ended_at} as="full" />]);
  else facts.push(['Next attempt', <Next delivery={delivery} />]);
  return (
    <div className="stack wide">
      <p className="muted">
        {delivery.ended_by ? (
          ENDED_BY[delivery.ended_by]
        ) : held ? (
          HELD_BACK
        ) : delivery.waiting_for ? (
          `It ${delivery.waiting_for === 'paused' ? 'waits: ' : ''}${WAITING_FOR[delivery.waiting_for]}.`
        ) : (
          <>
            It has been under way for <Since at={delivery.accepted_at} />.
          </>
        )}
      </p>
      <Facts of={facts} />
      <section className="stack tight" aria-label="Attempts">
        <h3>
          Attempts <span className="faint">{delivery.attempt_count}</span>
        </h3>
        <AttemptList attempts={delivery.attempts} />
      </section>
    </div>
  );
}

function Actions({ delivery }: { delivery: DeliveryDetail }) {
  const { may } = useSession();
  const act = useDeliveryAction();
  const [busy, setBusy] = useState(false);
  const [cancels, setCancels] = useState(false);
  const retry = async () => {
    setBusy(true);
    await act('retry', delivery);
    setBusy(false);
  };
  return (
    <>
      {may('manage') && canRetry(delivery) && (
        <Button look="primary" icon="retry" busy={busy} onClick={() => void retry()}>
          {retryLabel(delivery)}
        </Button>
      )}
      {may('manage') && !isOver(delivery) && (
        <Button icon="stop" onClick={() => setCancels(true)}>
          Cancel…
        </Button>
      )}
      <LinkButton to={eventPath(delivery)} className="end">
        Open its event
      </LinkButton>
      {cancels && <CancelConfirm delivery={delivery} onClose={() => setCancels(false)} />}
    </>
  );
}
