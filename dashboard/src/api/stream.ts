import { useEffect, useRef, useSyncExternalStore } from 'react';
import { withQuery, type Query } from './client';
import { isReached, onReachChange, tellReached } from './reach';

/**
 * `live`: a stream is open. `polling`: none can be had, lists are asked for every 5 s instead.
 * `offline`: nor does the server answer. `idle`: nothing on the screen needs one.
 */
export type Connection = 'idle' | 'connecting' | 'live' | 'polling';

let connection: Connection = 'idle';
let open = 0;
const listeners = new Set<() => void>();
const lost = new Set<() => void>();

/** Called when a stream breaks off: whether the server is still there is to be asked. */
export function onStreamLost(tell: () => void): () => void {
  lost.add(tell);
  return () => lost.delete(tell);
}

/** Busy servers make more messages than a page can draw: it is told in batches, at most this big. */
const BATCH = 500;
const BATCH_EVERY_MS = 300;
/** How long until a stream is tried again after it ended for good. */
const AGAIN_MS = 15_000;

export function useConnection(): Connection {
  return useSyncExternalStore(
    tell => {
      listeners.add(tell);
      return () => listeners.delete(tell);
    },
    () => connection,
  );
}

interface Take<T> {
  /** New messages, oldest first. `missed` says that there were more than are told. */
  batch(items: T[], missed: boolean): void;
  /** Something was missed: what is shown should be asked for anew. */
  gap?(): void;
}

/** Listens to `/v1/stream` while `on`. Says whether it is open; if not, poll. */
export function useStream<T>(
  of: 'deliveries' | 'events',
  filter: Query,
  take: Take<T>,
  on = true,
): boolean {
  const latest = useRef(take);
  latest.current = take;
  const address = withQuery('/v1/stream', { of, ...filter });
  useEffect(() => {
    if (!on) return;
    return listen<T>(address, of === 'deliveries' ? 'delivery' : 'event', latest);
  }, [address, of, on]);
  return useConnection() === 'live' && on;
}

function listen<T>(address: string, message: string, take: { current: Take<T> }): () => void {
  let source: EventSource | undefined;
  let again: number | undefined;
  let flushing: number | undefined;
  let buffer: T[] = [];
  let missed = false;
  open += 1;

  const flush = () => {
    flushing = undefined;
    const items = buffer;
    const more = missed;
    buffer = [];
    missed = false;
    if (items.length > 0) take.current.batch(items, more);
  };

  const connect = () => {
    set('connecting');
    const opened = new EventSource(address);
    source = opened;
    opened.onopen = () => {
      tellReached(true);
      set('live');
    };
    opened.onerror = () => {
      // The browser connects again by itself unless the answer was no stream.
      set('polling');
      lost.forEach(tell => tell());
      if (opened.readyState === EventSource.CLOSED) again = window.setTimeout(connect, AGAIN_MS);
    };
    opened.addEventListener(message, event => {
      if (buffer.length >= BATCH) {
        buffer.shift();
        missed = true;
      }
      buffer.push(JSON.parse(String(event.data)) as T);
      flushing ??= window.setTimeout(flush, BATCH_EVERY_MS);
    });
    for (const incomplete of ['gap', 'skipped']) {
      opened.addEventListener(incomplete, () => take.current.gap?.());
    }
    opened.addEventListener('end', () => {
      opened.close();
      set('polling');
      again = window.setTimeout(connect, AGAIN_MS);
    });
  };

  connect();
  // A server that is back is not waited for any longer.
  const forget = onReachChange(() => {
    if (!isReached() || source?.readyState === EventSource.OPEN) return;
    window.clearTimeout(again);
    source?.close();
    connect();
  });
  return () => {
    forget();
    source?.close();
    window.clearTimeout(again);
    window.clearTimeout(flushing);
    open -= 1;
    if (open === 0) set('idle');
  };
}

function set(next: Connection): void {
  if (next === connection) return;
  connection = next;
  listeners.forEach(tell => tell());
}
