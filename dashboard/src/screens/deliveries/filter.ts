import { useMemo } from 'react';
import { useTenant } from '../../api/queries';
import type { Delivery, DeliveryFilter, DeliveryStatus } from '../../api/types';
import { useListRange } from '../../state/range';
import { useUrlState } from '../../state/url';
import { STATUS_WORDS } from '../../ui/words';

export const VIEWS = [
  { id: 'all', label: 'All', about: undefined, filter: {} },
  {
    id: 'retrying',
    label: 'Retrying',
    about: 'Failed, and tried again',
    filter: { status: ['retrying'] },
  },
  { id: 'failed', label: 'Failed', about: 'Given up', filter: { status: ['failed'] } },
  { id: 'waiting', label: 'Waiting', about: 'Not tried yet', filter: { status: ['pending'] } },
  {
    id: 'slow',
    label: 'Slow',
    about: 'The last attempt took 5 s or longer',
    filter: { min_duration_ms: 5_000 },
  },
] as const satisfies {
  id: string;
  label: string;
  about: string | undefined;
  filter: DeliveryFilter;
}[];

export type ViewId = (typeof VIEWS)[number]['id'];

/** What a list is bound to by where it stands: the page of a webhook, of an event. */
export type Scope = Pick<DeliveryFilter, 'webhook_id' | 'event_id'>;

/** The parameters that narrow the list, besides view, tenant and time. */
export const FILTERS = ['status', 'event_type', 'event_id', 'webhook_id', 'answer', 'attempts'];

export interface ListFilter {
  view: ViewId;
  filter: DeliveryFilter;
  /** Whether anything but the view and the scope narrows it. */
  narrowed: boolean;
  since: string | undefined;
}

/** The filter as the address says it. */
export function useListFilter(scope: Scope): ListFilter {
  const url = useUrlState();
  const tenant = useTenant();
  const range = useListRange();
  const view = VIEWS.find(({ id }) => id === url.get('view')) ?? VIEWS[0];
  const { webhook_id, event_id } = scope;
  return useMemo(() => {
    const own: DeliveryFilter = {
      status: statuses(url.get('status')),
      event_type: url.get('event_type') ?? undefined,
      event_id: event_id ?? url.get('event_id') ?? undefined,
      webhook_id: webhook_id ?? url.get('webhook_id') ?? undefined,
      answer: url.get('answer') ?? undefined,
      min_attempts: Number(url.get('attempts')) || undefined,
      tenant,
      since: range.since,
      until: range.until,
    };
    const filter = withoutEmpty({ ...own, ...view.filter });
    const narrowed = !range.any || FILTERS.some(name => url.get(name) !== null);
    return { view: view.id, filter, narrowed, since: range.since };
  }, [url, tenant, range, view, webhook_id, event_id]);
}

/** As the list takes it: the statuses in one parameter. */
export function asQuery(filter: DeliveryFilter) {
  return { ...filter, status: filter.status?.join(',') };
}

/** Whether a delivery that came by the stream belongs in the list. */
export function matches(delivery: Delivery, filter: DeliveryFilter): boolean {
  const { status, event_type, event_id, webhook_id, tenant, since, until } = filter;
  const last = delivery.last_attempt;
  return (
    (status === undefined || status.includes(delivery.status)) &&
    (event_type === undefined || delivery.event_type === event_type) &&
    (event_id === undefined || delivery.event_id === event_id) &&
    (webhook_id === undefined || delivery.webhook_id === webhook_id) &&
    (tenant === undefined || delivery.tenant === tenant) &&
    (since === undefined || delivery.accepted_at >= since) &&
    (until === undefined || delivery.accepted_at < until) &&
    delivery.attempt_count >= (filter.min_attempts ?? 0) &&
    (filter.min_duration_ms === undefined || (last?.duration_ms ?? 0) >= filter.min_duration_ms) &&
    (filter.answer === undefined || answers(last, filter.answer))
  );
}

function answers(last: Delivery['last_attempt'], wanted: string): boolean {
  if (last === null) return false;
  if (wanted === 'error') return last.error !== null;
  if (/^\dxx$/.test(wanted)) return String(last.status ?? '').startsWith(wanted.charAt(0));
  return String(last.status ?? '') === wanted || last.error === wanted;
}

/** What each action can act on at all. */
export const ACTABLE: Record<'retry' | 'cancel', DeliveryStatus[]> = {
  retry: ['failed', 'cancelled', 'retrying', 'pending'],
  cancel: ['pending', 'retrying'],
};

/** By default only what has failed is tried again, whatever else the list shows. */
const BY_DEFAULT: Record<'retry' | 'cancel', DeliveryStatus[]> = {
  retry: ['failed'],
  cancel: ['pending', 'retrying'],
};

/** The filter for an action on all that match; null if it can act on none of them. */
export function actable(verb: 'retry' | 'cancel', filter: DeliveryFilter): DeliveryFilter | null {
  const wanted = filter.status?.filter(status => ACTABLE[verb].includes(status));
  if (wanted?.length === 0) return null;
  return { ...filter, status: wanted ?? BY_DEFAULT[verb] };
}

/** Those that there are; of others the address is rid. */
export function statuses(text: string | null): DeliveryStatus[] | undefined {
  const known = text?.split(',').filter(one => Object.hasOwn(STATUS_WORDS, one)) as
    DeliveryStatus[] | undefined;
  return known?.length ? known : undefined;
}

function withoutEmpty(filter: DeliveryFilter): DeliveryFilter {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
}
