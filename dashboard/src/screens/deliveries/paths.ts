import type { Delivery } from '../../api/types';

/** The event of a delivery, with the delivery open: by that it is found, whoever chose its id. */
export function eventPath({ event_id, id }: Pick<Delivery, 'event_id' | 'id'>): string {
  return `/events/${encodeURIComponent(event_id)}?open=${id}`;
}
