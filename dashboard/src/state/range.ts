import { useMemo } from 'react';
import { useLocation } from 'wouter';
import { serverNow } from './now';
import { useUrlState } from './url';

export const RANGES = [
  { id: '15m', label: '15 minutes', ms: 15 * 60_000 },
  { id: '1h', label: 'hour', ms: 3_600_000 },
  { id: '6h', label: '6 hours', ms: 6 * 3_600_000 },
  { id: '24h', label: '24 hours', ms: 24 * 3_600_000 },
  { id: '7d', label: '7 days', ms: 7 * 24 * 3_600_000 },
  { id: '30d', label: '30 days', ms: 30 * 24 * 3_600_000 },
] as const;

/**
 * A time range: the last so many hours, sliding, or a fixed one. `key` says which for query keys;
 * `bounds()` gives its ends at the moment of asking.
 */
export interface TimeRange {
  key: string;
  label: string;
  ms: number;
  fixed: boolean;
  bounds(): { since: string; until: string };
  /** The range of the same length before it. */
  before(): { since: string; until: string };
}

/** The range of the header. Without one in the address it is the given default. */
export function useRange(fallback: string = '1h'): TimeRange {
  const url = useUrlState();
  const id = url.get('range') ?? fallback;
  const since = url.get('since');
  const until = url.get('until');
  return useMemo(() => {
    const from = Date.parse(since ?? '');
    const to = Date.parse(until ?? '');
    if (from < to) return fixed(from, to);
    return sliding(id);
  }, [id, since, until]);
}

/** Which screens have a range at all, and whether without one they show everything. */
export function rangeOf(path: string, tab: string | null): 'none' | 'last' | 'any' {
  if (path === '/events' || path === '/deliveries') return 'any';
  if (path === '/' || path === '/queue') return 'last';
  if (!path.startsWith('/webhooks/')) return 'none';
  return tab === null ? 'last' : tab === 'deliveries' ? 'any' : 'none';
}

/**
 * The range of a list: nothing unless one was chosen, because a delivery that has been retried for
 * two days must not be missing. `from` keeps the start of a sliding range while one pages: a cursor
 * belongs to its filters, and they must not move.
 */
export function useListRange(): { since?: string; until?: string; any: boolean } {
  const url = useUrlState();
  const [path] = useLocation();
  const range = useRange();
  const chosen = url.get('range') !== null || url.get('since') !== null;
  const from = url.get('from');
  const paged = url.get('cursor') !== null;
  return useMemo(() => {
    if (!chosen) return { any: true };
    if (range.fixed) return { ...range.bounds(), any: false };
    return { since: paged && from !== null ? from : range.bounds().since, any: false };
    // A list of another path begins anew.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [chosen, range, from, paged, path]);
}

/** What a picked or dragged range writes to the address. */
export function rangePatch(since: number, until: number): Record<string, string | null> {
  return { range: null, since: second(since), until: second(until), cursor: null };
}

function sliding(id: string): TimeRange {
  const range = RANGES.find(known => known.id === id) ?? RANGES[1];
  return {
    key: range.id,
    label: `Last ${range.label}`,
    ms: range.ms,
    fixed: false,
    bounds: () => ends(serverNow() - range.ms, serverNow()),
    before: () => ends(serverNow() - 2 * range.ms, serverNow() - range.ms),
  };
}

function fixed(from: number, to: number): TimeRange {
  return {
    key: `${from}-${to}`,
    label: 'Custom',
    ms: to - from,
    fixed: true,
    bounds: () => ends(from, to),
    before: () => ends(from - (to - from), from),
  };
}

function ends(from: number, to: number): { since: string; until: string } {
  return { since: new Date(from).toISOString(), until: new Date(to).toISOString() };
}

function second(at: number): string {
  return new Date(Math.round(at / 1_000) * 1_000).toISOString().replace('.000', '');
}
