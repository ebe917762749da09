import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';
import { api } from '../../api/client';
import { isOver, useTenant } from '../../api/queries';
import { rawMember } from '../../api/raw';
import { useConnection, useStream } from '../../api/stream';
import type { Delivery, DeliveryDetail, EventDetail, SentRequest } from '../../api/types';

/** How often it is asked for while something of it is under way and no stream tells of it. */
const UNDER_WAY_MS = 2_000;
/** With a stream only to be sure. */
const TO_BE_SURE_MS = 15_000;

export interface LoadedEvent extends EventDetail {
  /** Its data byte for byte. */
  raw: string;
}

/** The event; it follows live while any of its deliveries is under way. */
export function useEvent(id: string, open: string | null) {
  const client = useQueryClient();
  const tenant = useEventTenant(id, open);
  const live = useConnection() === 'live';
  const query = useQuery({
    queryKey: ['event', id, tenant.name],
    queryFn: async ({ signal }): Promise<LoadedEvent> => {
      const path = `/v1/events/${encodeURIComponent(id)}`;
      const text = await api.text(path, { tenant: tenant.name }, signal);
      return {
        ...(JSON.parse(text) as EventDetail),
        raw: rawMember(text, 'data') ?? 'null',
      };
    },
    enabled: tenant.known,
    refetchInterval: ({ state }) =>
      state.data && isUnderWay(state.data) ? (live ? TO_BE_SURE_MS : UNDER_WAY_MS) : false,
  });
  const event = query.data;
  const refresh = useCallback(async () => {
    await Promise.all([
      client.invalidateQueries({ queryKey: ['event'] }),
      client.invalidateQueries({ queryKey: ['delivery'] }),
    ]);
  }, [client]);
  const underWay = event !== undefined && isUnderWay(event);
  useStream<Delivery>(
    'deliveries',
    { tenant: event?.tenant, event_id: event?.uid },
    {
      batch: () => void refresh(),
      gap: () => void refresh(),
    },
    underWay,
  );
  return query;
}

/**
 * Ids that publishers choose belong to a tenant. Without one in the address the delivery that is to
 * be shown tells it.
 */
function useEventTenant(
  id: string,
  open: string | null,
): { name: string | undefined; known: boolean } {
  const chosen = useTenant();
  const asks = chosen === undefined && !id.startsWith('evt_') && open !== null;
  const { data, isPending } = useQuery({
    queryKey: ['delivery', open],
    queryFn: ({ signal }) =>
      api.get<DeliveryDetail>(
        `/v1/deliveries/${encodeURIComponent(open ?? '')}`,
        undefined,
        signal,
      ),
    enabled: asks,
    retry: false,
  });
  return { name: chosen ?? (asks ? data?.tenant : undefined), known: !asks || !isPending };
}

function isUnderWay(event: EventDetail): boolean {
  if (event.no_deliveries_because === 'fanning_out') return true;
  return event.deliveries.some(delivery => !isOver(delivery));
}

/** A delivery with its attempts, as often asked for as its event. */
export function useOpenDelivery(id: string | null) {
  return useQuery({
    queryKey: ['delivery', id],
    queryFn: ({ signal }) =>
      api.get<DeliveryDetail>(`/v1/deliveries/${encodeURIComponent(id ?? '')}`, undefined, signal),
    enabled: id !== null,
    refetchInterval: ({ state }) => (state.data && !isOver(state.data) ? UNDER_WAY_MS : false),
  });
}

/** The request of an attempt, made again by the server from what it keeps. */
export function useSentRequest(delivery: string, attempt: number) {
  return useQuery({
    queryKey: ['sent-request', delivery, attempt],
    queryFn: ({ signal }) =>
      api.get<SentRequest>(`/v1/deliveries/${delivery}/request`, { attempt }, signal),
    staleTime: 60_000,
    retry: false,
  });
}
