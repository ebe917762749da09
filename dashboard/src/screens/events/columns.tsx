import type { Event } from '../../api/types';
import { Id } from '../../ui/id';
import type { Column } from '../../ui/table';
import { Time } from '../../ui/time';
import { DeliveryCountsCell } from './delivery-counts';

/** `tenant`: there is more than one, so the rows say whose they are. */
export function eventColumns(tenant: boolean): Column<Event>[] {
  const columns: (Column<Event> | false)[] = [
    {
      id: 'type',
      head: 'Event type',
      primary: true,
      cell: event => <span className="events-type truncate">{event.type}</span>,
    },
    { id: 'id', head: 'Event id', cell: event => <Id id={event.id} /> },
    tenant && {
      id: 'tenant',
      head: 'Tenant',
      cell: event => <span className="events-tenant truncate">{event.tenant}</span>,
    },
    {
      id: 'deliveries',
      head: 'Deliveries',
      about: 'Delivered, retrying, failed, pending and cancelled',
      cell: event => <DeliveryCountsCell counts={event.deliveries} />,
    },
    {
      id: 'accepted',
      head: 'Accepted',
      align: 'end',
      cell: event => <Time at={event.accepted_at} />,
    },
  ];
  return columns.filter(column => column !== false);
}
