import { useQuery } from '@tanstack/react-query';
import { api } from '../../../api/client';
import type { Stats } from '../../../api/types';
import { serverNow } from '../../../state/now';

const DAY_MS = 86_400_000;
const NONE: string[] = [];

/** The event types of the last week, the busiest first: suggestions, so it does not matter if none come. */
export function useKnownTypes(tenant: string | undefined): string[] {
  const { data } = useQuery({
    queryKey: ['known-types', tenant],
    queryFn: async ({ signal }) => {
      const since = new Date(serverNow() - 7 * DAY_MS).toISOString();
      const query = { since, interval_ms: DAY_MS, group_by: 'event_type', tenant };
      const { by_event_type } = await api.get<Stats>('/v1/stats', query, signal);
      return by_event_type?.map(({ event_type }) => event_type) ?? NONE;
    },
    staleTime: 60_000,
    retry: false,
  });
  return data ?? NONE;
}
