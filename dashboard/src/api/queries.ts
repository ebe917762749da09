import { keepPreviousData, useQuery } from '@tanstack/react-query';
import type { TimeRange } from '../state/range';
import { useUrlState } from '../state/url';
import { api, type Query } from './client';
import { POLL_MS } from './query-client';
import { isReached } from './reach';
import { useSession } from './session';
import type {
  Delivery,
  DeliveryDetail,
  Overview,
  Page,
  Readiness,
  Setting,
  Stats,
  System,
  Webhook,
  WebhookStats,
  Worker,
} from './types';

/** How often a server that is away is looked for. */
const AGAIN_MS = 2_000;

/** The tenant that the header narrows to; a key of a tenant sees only its own anyway. */
export function useTenant(): string | undefined {
  const { session } = useSession();
  const chosen = useUrlState().get('tenant') ?? undefined;
  return session?.tenant ?? chosen;
}

export interface StatsScope {
  webhook_id?: string;
  event_type?: string;
  group_by?: 'event_type';
}

/** Counts over the range; with `previous` of the same length before it. */
export function useStats(range: TimeRange, scope: StatsScope = {}, previous = false) {
  const tenant = useTenant();
  return useQuery({
    queryKey: ['stats', range.key, tenant, scope, previous],
    queryFn: ({ signal }) =>
      api.get<Stats>(
        '/v1/stats',
        {
          ...(previous ? range.before() : range.bounds()),
          ...scope,
          tenant,
        },
        signal,
      ),
    // A bucket of a long range does not change visibly in five seconds.
    refetchInterval: range.fixed ? false : previous ? 60_000 : Math.max(POLL_MS, range.ms / 1_440),
    placeholderData: keepPreviousData,
  });
}

export function useOverview(range: TimeRange) {
  const tenant = useTenant();
  return useQuery({
    queryKey: ['overview', range.key, tenant],
    queryFn: ({ signal }) =>
      api.get<Overview>('/v1/overview', { since: range.bounds().since, tenant }, signal),
    refetchInterval: POLL_MS,
    placeholderData: keepPreviousData,
  });
}

export function usePage<T>(path: string, query: Query, options: { poll?: number | false } = {}) {
  return useQuery({
    queryKey: ['page', path, query],
    queryFn: ({ signal }) => api.get<Page<T>>(path, query, signal),
    placeholderData: keepPreviousData,
    refetchInterval: options.poll ?? POLL_MS,
  });
}

export function useDelivery(id: string | null) {
  return useQuery({
    queryKey: ['delivery', id],
    queryFn: ({ signal }) =>
      api.get<DeliveryDetail>(`/v1/deliveries/${encodeURIComponent(id ?? '')}`, undefined, signal),
    enabled: id !== null,
    refetchInterval: query => (query.state.data && isOver(query.state.data) ? false : POLL_MS),
  });
}

export function isOver(delivery: Pick<Delivery, 'status'>): boolean {
  return delivery.status !== 'pending' && delivery.status !== 'retrying';
}

export function useWebhook(id: string | null, poll: number | false = false) {
  return useQuery({
    queryKey: ['webhook', id],
    queryFn: ({ signal }) =>
      api.get<Webhook>(`/v1/webhooks/${encodeURIComponent(id ?? '')}`, undefined, signal),
    enabled: id !== null,
    staleTime: 30_000,
    refetchInterval: query => (query.state.data === undefined ? false : poll),
  });
}

/** The numbers beside the webhooks of one page, in one request. */
export function useWebhookStats(ids: string[], since: string, key: string) {
  return useQuery({
    queryKey: ['webhook-stats', ids, key],
    queryFn: async ({ signal }) => {
      const query = { webhook_ids: ids.join(','), since };
      const { data } = await api.get<{ data: WebhookStats[] }>('/v1/stats/webhooks', query, signal);
      return new Map(data.map(stats => [stats.webhook_id, stats]));
    },
    enabled: ids.length > 0,
    refetchInterval: 2 * POLL_MS,
    placeholderData: keepPreviousData,
  });
}

export function useWorkers() {
  return useQuery({
    queryKey: ['workers'],
    queryFn: ({ signal }) => api.get<{ data: Worker[] }>('/v1/workers', undefined, signal),
    refetchInterval: POLL_MS,
  });
}

export function useSystem(on = true) {
  return useQuery({
    queryKey: ['system'],
    queryFn: ({ signal }) => api.get<System>('/v1/system', undefined, signal),
    refetchInterval: POLL_MS,
    enabled: on,
  });
}

export function useSettings(on = true) {
  return useQuery({
    queryKey: ['settings'],
    queryFn: ({ signal }) => api.get<{ data: Setting[] }>('/v1/settings', undefined, signal),
    staleTime: 60_000,
    enabled: on,
  });
}

/** How long what has ended is kept; unknown to who may not look at the system. */
export function useRetentionDays(): number | undefined {
  const { may } = useSession();
  const system = useQuery({
    queryKey: ['retention'],
    queryFn: ({ signal }) => api.get<System>('/v1/system', undefined, signal),
    enabled: may('operate'),
    staleTime: Infinity,
  });
  return system.data?.retention_days;
}

export function useReadiness() {
  return useQuery({
    queryKey: ['readiness'],
    queryFn: ({ signal }) => api.get<Readiness>('/readyz', undefined, signal),
    // Until it is reached again nothing is more wanted than to know that.
    refetchInterval: () => (isReached() ? 3 * POLL_MS : AGAIN_MS),
    retry: false,
  });
}
