import { api } from './client';
import type { BulkDone, DeliveryFilter, Matched } from './types';

export type BulkVerb = 'retry' | 'cancel';

export function countDeliveries(verb: BulkVerb, filter: DeliveryFilter): Promise<Matched> {
  return api.post<Matched>(`/v1/deliveries/${verb}`, { ...filter, dry_run: true });
}

/** Acts on all that match, a thousand a call, saying after each how far it is. */
export async function actOnDeliveries(
  verb: BulkVerb,
  filter: DeliveryFilter,
  progress: (done: number) => void,
  signal: AbortSignal,
): Promise<{ done: number; skipped: number }> {
  let done = 0;
  let skipped = 0;
  let cursor: string | null = null;
  do {
    const body: DeliveryFilter & { cursor?: string } =
      cursor === null ? filter : { ...filter, cursor };
    const part: BulkDone = await api.post<BulkDone>(`/v1/deliveries/${verb}`, body, { signal });
    done += part.done;
    skipped += part.skipped;
    cursor = part.next_cursor;
    progress(done);
  } while (cursor !== null && !signal.aborted);
  return { done, skipped };
}

/** Acts on chosen ones, a few at a time: there is no bulk call by ids. */
export async function actOnEach(
  verb: BulkVerb,
  ids: string[],
  progress: (done: number) => void,
  signal: AbortSignal,
): Promise<{ done: number; skipped: number }> {
  const AT_ONCE = 4;
  const left = [...ids];
  let done = 0;
  let skipped = 0;
  const next = async (): Promise<void> => {
    for (let id = left.shift(); id !== undefined && !signal.aborted; id = left.shift()) {
      try {
        await api.post(`/v1/deliveries/${id}/${verb}`, undefined, { signal });
        done += 1;
      } catch {
        skipped += 1;
      }
      progress(done + skipped);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
  return { done, skipped };
}
