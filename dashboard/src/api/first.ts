import { useQuery } from '@tanstack/react-query';
import { api } from './client';
import { useTenant } from './queries';
import type { Event, Page } from './types';

/** Whether any event was ever accepted (and is still kept); asked until one was. */
export function useFirstEvent() {
  const tenant = useTenant();
  return useQuery({
    queryKey: ['first-event', tenant],
    queryFn: async ({ signal }) => {
      const page = await api.get<Page<Event>>('/v1/events', { limit: 1, tenant }, signal);
      return page.data[0] ?? null;
    },
    refetchInterval: query => (query.state.data === null ? 2_000 : false),
    staleTime: query => (query.state.data ? Infinity : 0),
  });
}
