import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { api } from '../../api/client';
import { asProblem } from '../../api/problem';
import { POLL_MS } from '../../api/query-client';
import type { Page, Webhook } from '../../api/types';

interface Asked {
  q: string;
  status: string;
  tenant: string | undefined;
  limit: number;
  cursor: string | undefined;
}

const ID = /^wh_[0-9a-z]{26}$/;

/** A page of webhooks; the API looks for parts of URLs, so an id is asked for by itself. */
export function useWebhookList(asked: Asked) {
  return useQuery({
    queryKey: ['page', '/v1/webhooks', asked],
    queryFn: ({ signal }) =>
      ID.test(asked.q)
        ? pageOfOne(asked, signal)
        : api.get<Page<Webhook>>('/v1/webhooks', { ...asked }, signal),
    placeholderData: keepPreviousData,
    refetchInterval: 2 * POLL_MS,
  });
}

async function pageOfOne(asked: Asked, signal: AbortSignal): Promise<Page<Webhook>> {
  try {
    const webhook = await api.get<Webhook>(`/v1/webhooks/${asked.q}`, undefined, signal);
    const matches =
      (asked.status === '' || asked.status === webhook.status) &&
      (asked.tenant === undefined || asked.tenant === webhook.tenant);
    return { data: matches ? [webhook] : [], next_cursor: null };
  } catch (error) {
    // An id may also be of the right length and malformed: no webhook has it either.
    if ([400, 404, 422].includes(asProblem(error).status)) return { data: [], next_cursor: null };
    throw error;
  }
}
