import { lazy, Suspense, useState } from 'react';
import { useSession } from '../../api/session';
import type { Delivery } from '../../api/types';
import { useShortcut } from '../../state/keys';
import { useUrlState } from '../../state/url';
import { Button } from '../../ui/button';
import { count, duration } from '../../ui/format';
import { WebhookOf } from '../../ui/id';
import { AppLink } from '../../ui/link';
import { Panel } from '../../ui/page';
import { DeliveryStatusPill, LastAnswer } from '../../ui/status';
import { DataTable, type Column } from '../../ui/table';
import { Next } from '../deliveries/held';
import { RowActions } from './row-actions';
import type { LoadedEvent, useEvent } from './use-event';

const BulkDialog = lazy(() => import('../deliveries/bulk-dialog'));

/** So many are in the answer; the list of deliveries has them all. */
const SHOWN_MAX = 200;

interface Props {
  event: LoadedEvent;
  open: string | null;
  query: ReturnType<typeof useEvent>;
}

/** Who got it: a row per webhook, the open one's attempts below. */
export function EventDeliveries({ event, open, query }: Props) {
  const url = useUrlState();
  const { deliveries } = event;
  const step = (by: number) => {
    const at = deliveries.findIndex(delivery => delivery.id === open);
    const next = deliveries[at + by];
    if (next) url.set({ open: next.id, attempt: null, part: null });
  };
  useShortcut('J', () => step(1));
  useShortcut('K', () => step(-1));
  const isCut = deliveries.length >= SHOWN_MAX;
  const { may } = useSession();
  const [retries, setRetries] = useState(false);
  const failed = deliveries.filter(delivery => delivery.status === 'failed').length;
  return (
    <Panel
      flush
      title="Deliveries"
      about={isCut ? `the first ${count(SHOWN_MAX)}` : summary(deliveries)}
      className={deliveries.length > 8 ? 'event-deliveries long' : 'event-deliveries'}
      actions={
        <>
          {failed > 1 && may('manage') && (
            <Button small icon="retry" onClick={() => setRetries(true)}>
              Retry failed…
            </Button>
          )}
          {isCut && (
            <AppLink to={`/deliveries?event_id=${event.uid}`} className="small">
              All of them
            </AppLink>
          )}
        </>
      }
    >
      <DataTable
        what="deliveries"
        columns={COLUMNS}
        rows={deliveries}
        rowKey={delivery => delivery.id}
        rowHref={delivery => url.href({ open: delivery.id, attempt: null, part: null })}
        open={open}
        error={query.error}
        onRetry={() => void query.refetch()}
        empty={null}
      />
      {retries && (
        <Suspense>
          <BulkDialog
            verb="retry"
            filter={{ event_id: event.uid, status: ['failed'] }}
            onClose={() => setRetries(false)}
            onDone={() => void query.refetch()}
          />
        </Suspense>
      )}
    </Panel>
  );
}

function summary(deliveries: Delivery[]): string {
  const done = deliveries.filter(delivery => delivery.status === 'delivered').length;
  if (done === deliveries.length) {
    return done === 1 ? 'delivered' : `all ${count(done)} delivered`;
  }
  if (deliveries.length === 1) return 'not delivered';
  return `${count(done)} of ${count(deliveries.length)} delivered`;
}

const COLUMNS: Column<Delivery>[] = [
  {
    id: 'webhook',
    head: 'Webhook',
    primary: true,
    fills: true,
    cell: delivery => <WebhookOf delivery={delivery} plain />,
  },
  { id: 'status', head: 'Status', cell: delivery => <DeliveryStatusPill delivery={delivery} /> },
  {
    id: 'attempts',
    head: 'Attempts',
    align: 'end',
    cell: delivery => count(delivery.attempt_count),
  },
  {
    id: 'answer',
    head: 'Last answer',
    cell: delivery => <LastAnswer attempt={delivery.last_attempt} short />,
  },
  {
    id: 'latency',
    head: 'Latency',
    from: 'l',
    about: 'From acceptance until it ended',
    align: 'end',
    cell: delivery => latency(delivery),
  },
  {
    id: 'next',
    head: 'Next',
    about: 'When it is tried next',
    align: 'end',
    cell: delivery => <Next delivery={delivery} />,
  },
  { id: 'actions', head: '', cell: delivery => <RowActions delivery={delivery} /> },
];

function latency(delivery: Delivery): string {
  if (delivery.ended_at === null) return '–';
  return duration(Date.parse(delivery.ended_at) - Date.parse(delivery.accepted_at));
}
