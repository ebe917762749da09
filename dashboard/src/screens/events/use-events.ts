import { useEffect, useMemo, useRef, useState } from 'react';
import { POLL_MS } from '../../api/query-client';
import { usePage, useTenant } from '../../api/queries';
import { useStream } from '../../api/stream';
import type { Event } from '../../api/types';
import { useListRange } from '../../state/range';
import { useScrolled } from '../../state/scrolled';
import { useSoon } from '../../state/soon';
import { useUrlState } from '../../state/url';
import { usePager } from '../../ui/pager';

/** More often than this a list that follows is not asked for, however much comes in. */
const ASK_EVERY_MS = 1_000;

/**
 * A page of events. The first page follows live: the stream says that there is something new, and the
 * page is asked for anew, because an event's deliveries change after it came. While somebody reads
 * further down or has frozen it, the rows stay, and what is new is counted.
 */
export function useEvents() {
  const url = useUrlState();
  const tenant = useTenant();
  const range = useListRange();
  const { cursor, rows: limit } = usePager();
  const type = url.get('type') ?? undefined;
  const followable = cursor === undefined && range.until === undefined;
  const [frozen, setFrozen] = useState(false);
  const [live, setLive] = useState(false);
  const { since, until } = range;
  const query = usePage<Event>(
    '/v1/events',
    { tenant, type, since, until, limit, cursor, include: 'deliveries' },
    { poll: followable ? POLL_MS : 3 * POLL_MS },
  );
  const ask = useSoon(() => void query.refetch(), ASK_EVERY_MS);
  const streaming = useStream<Event>(
    'events',
    { tenant, event_types: type },
    { batch: ask, gap: ask },
    followable,
  );
  useEffect(() => setLive(streaming), [streaming]);

  const hold = useScrolled() || frozen;
  const listKey = JSON.stringify([tenant, type, since, until, limit, cursor]);
  const latest = query.isPlaceholderData && query.data?.data.length === 0 ? undefined : query.data;
  const held = useHeld(latest?.data, listKey, hold && followable);
  return {
    ...held,
    query,
    next: query.data?.next_cursor,
    filtered: type !== undefined || !range.any || url.get('tenant') !== null,
    followable,
    live,
    frozen,
    setFrozen,
    since,
  };
}

interface Held {
  rows: Event[] | undefined;
  /** Those that came since the list was opened: each is marked once. */
  fresh: ReadonlySet<string>;
  /** How many came that are not shown, and whether there may be more than were counted. */
  waiting: number;
  waitingCapped: boolean;
  /** Shows them. */
  show(): void;
}

/** The rows that were there when it began to hold, each as it is now. */
function useHeld(rows: Event[] | undefined, listKey: string, hold: boolean): Held {
  const [kept, setKept] = useState<{ key: string; rows: Event[] } | null>(null);
  const isKept = hold && kept?.key === listKey;
  useEffect(() => {
    if (!hold) setKept(null);
    else if (!isKept && rows !== undefined) setKept({ key: listKey, rows });
  }, [hold, isKept, rows, listKey]);

  const shown = useMemo(() => {
    if (!isKept || rows === undefined) return rows;
    const now = new Map(rows.map(row => [row.uid, row]));
    return kept.rows.map(row => now.get(row.uid) ?? row);
  }, [isKept, kept, rows]);
  const waiting = useMemo(() => {
    if (!isKept || rows === undefined) return 0;
    const there = new Set(kept.rows.map(row => row.uid));
    return rows.filter(row => !there.has(row.uid)).length;
  }, [isKept, kept, rows]);
  return {
    rows: shown,
    fresh: useFresh(shown, listKey),
    waiting,
    waitingCapped: waiting > 0 && waiting === rows?.length,
    show: () => setKept(hold && rows !== undefined ? { key: listKey, rows } : null),
  };
}

function useFresh(rows: Event[] | undefined, listKey: string): ReadonlySet<string> {
  const seen = useRef({ key: '', known: new Set<string>() });
  const [fresh, setFresh] = useState<ReadonlySet<string>>(new Set());
  useEffect(() => {
    if (rows === undefined) return;
    const before = seen.current;
    const isSame = before.key === listKey;
    const added = isSame ? rows.filter(row => !before.known.has(row.uid)) : [];
    seen.current = { key: listKey, known: new Set(rows.map(row => row.uid)) };
    if (!isSame) setFresh(new Set());
    else if (added.length > 0) setFresh(new Set(added.map(row => row.uid)));
  }, [rows, listKey]);
  return fresh;
}
