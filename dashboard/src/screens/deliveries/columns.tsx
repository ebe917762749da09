import type { Delivery } from '../../api/types';
import { count, duration } from '../../ui/format';
import { Id, WebhookOf } from '../../ui/id';
import { DeliveryStatusPill, LastAnswer } from '../../ui/status';
import type { Column } from '../../ui/table';
import { Time } from '../../ui/time';
import { Next } from './held';
import { eventPath } from './paths';
import { RowMenu } from './row-menu';

interface Shown {
  /** Columns that would say the same in every row are left out. */
  webhook: boolean;
  event: boolean;
  tenant: boolean;
}

export function deliveryColumns({ webhook, event, tenant }: Shown): Column<Delivery>[] {
  const columns: (Column<Delivery> | false)[] = [
    {
      id: 'status',
      head: 'Status',
      cell: row => <DeliveryStatusPill delivery={row} />,
    },
    {
      id: 'type',
      head: 'Event type',
      primary: true,
      cell: row => <span className="deliveries-type truncate">{row.event_type}</span>,
    },
    event && {
      id: 'event',
      head: 'Event',
      phone: false,
      from: 'xl',
      cell: row => <Id id={row.event_id} to={eventPath(row)} />,
    },
    webhook && {
      id: 'webhook',
      head: 'Webhook',
      fills: true,
      cell: row => <WebhookOf delivery={row} />,
    },
    tenant && {
      id: 'tenant',
      head: 'Tenant',
      from: 'xl',
      cell: row => <span className="deliveries-tenant truncate">{row.tenant}</span>,
    },
    {
      id: 'attempts',
      head: 'Attempts',
      align: 'end',
      cell: row => count(row.attempt_count),
    },
    {
      id: 'answer',
      head: 'Last answer',
      cell: row => (
        <span className="deliveries-answer truncate">
          <LastAnswer attempt={row.last_attempt} />
        </span>
      ),
    },
    {
      id: 'duration',
      head: 'Took',
      phone: false,
      about: 'How long the last attempt took',
      align: 'end',
      from: 'l',
      cell: row => (row.last_attempt === null ? '–' : duration(row.last_attempt.duration_ms)),
    },
    {
      id: 'next',
      head: 'Next',
      about: 'When it is tried next',
      align: 'end',
      cell: row => <Next delivery={row} />,
    },
    {
      id: 'last',
      head: 'Last',
      about: 'When it was tried last',
      phone: false,
      align: 'end',
      from: 'l',
      cell: row => <Time at={row.last_attempt?.at ?? null} />,
    },
    { id: 'menu', head: '', cell: row => <RowMenu delivery={row} /> },
  ];
  return columns.filter(column => column !== false);
}
