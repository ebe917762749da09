import { skipToken, useQuery, useQueryClient, type QueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';
import { countChanges } from '../webhooks/form/body';
import type { Draft } from '../webhooks/form/draft';

/** What is being typed, and how the webhook was when that began. */
export interface Editing {
  draft: Draft;
  before: Draft;
}

const KEY = 'webhook-draft';

/**
 * The unsaved settings of a webhook, which outlive a look at another screen. They are kept among the
 * answers of the server because those are forgotten at logout.
 */
export function useKeptDraft(id: string): [Editing | null, (editing: Editing | null) => void] {
  const client = useQueryClient();
  const { data } = useQuery<Editing | null>({
    queryKey: [KEY, id],
    queryFn: skipToken,
    staleTime: Infinity,
    gcTime: Infinity,
  });
  const keep = useCallback(
    (editing: Editing | null) => {
      client.setQueryData([KEY, id], editing);
      askBeforeLeaving(client);
    },
    [client, id],
  );
  return [data ?? null, keep];
}

/** Of a webhook that is no more nothing can be saved. */
export function forgetDraft(client: QueryClient, id: string): void {
  client.removeQueries({ queryKey: [KEY, id] });
}

let asks = false;

function askBeforeLeaving(client: QueryClient): void {
  if (asks) return;
  asks = true;
  window.addEventListener('beforeunload', event => {
    const kept = client.getQueriesData<Editing | null>({ queryKey: [KEY] });
    if (kept.some(([, editing]) => editing && countChanges(editing.draft, editing.before) > 0)) {
      event.preventDefault();
    }
  });
}
