import { useEffect, useMemo, useRef, useState } from 'react';
import { useStream } from '../../api/stream';
import type { Delivery, DeliveryFilter } from '../../api/types';
import { useSoon } from '../../state/soon';
import { matches } from './filter';

interface Props {
  /** The page as it was answered. */
  rows: Delivery[] | undefined;
  /** So many are on a page; what is pushed off it is on the next one. */
  limit: number;
  /** When it was answered, and that there is no more after it. */
  answeredAt: number;
  complete: boolean;
  /** Whether it is being asked for, and how it is once more. */
  asking: boolean;
  ask(): void;
  filter: DeliveryFilter;
  on: boolean;
  /** What has come so far stays as it is. */
  frozen: boolean;
  /** Something is being looked at: nothing may move, new rows are counted only. */
  hold: boolean;
}

interface Tail {
  rows: Delivery[] | undefined;
  /** Rows that just came or changed. */
  fresh: ReadonlySet<string>;
  /** How many have come that are not shown. */
  waiting: number;
  /** Shows them. */
  show(): void;
  live: boolean;
}

const MOST_NEW = 500;
/** What was told so shortly before the list was asked for may not be in the answer. */
const MAYBE_NEWER_MS = 1_000;
/** Until the list is asked for once more. */
const SOON_MS = 2_000;

/**
 * Keeps the first page of a list up to date by the stream: rows that are there change in place, new
 * ones come in at their place in time, or are counted while somebody reads.
 */
export function useTail(props: Props): Tail {
  const { rows, limit, answeredAt, asking, ask, complete, filter, on, frozen, hold } = props;
  const [changed, setChanged] = useState<ReadonlyMap<string, Delivery>>(new Map());
  const [queued, setQueued] = useState<ReadonlyMap<string, Delivery>>(new Map());
  const [fresh, setFresh] = useState<ReadonlySet<string>>(new Set());
  const filterKey = JSON.stringify(filter);
  const told = useRef(new Map<string, number>());
  const askedAt = useRef(0);
  const owed = useRef(false);
  const askSoon = useSoon(() => {
    owed.current = hold;
    if (!hold) ask();
  }, SOON_MS);
  useEffect(() => {
    if (!hold && owed.current) askSoon();
  }, [hold]);
  useEffect(() => {
    setChanged(new Map());
    setQueued(new Map());
    told.current.clear();
  }, [filterKey]);
  useEffect(() => {
    if (asking) askedAt.current = Date.now();
  }, [asking]);
  useEffect(() => {
    // The answer may have been made up before what was told while it was on its way, or after: that
    // stays as it was told, until the next answer says.
    for (const [id, at] of told.current) {
      if (at < askedAt.current - MAYBE_NEWER_MS) told.current.delete(id);
    }
    setChanged(before => new Map([...before].filter(([id]) => told.current.has(id))));
    setQueued(new Map());
    if (told.current.size > 0) askSoon();
  }, [answeredAt]);

  const known = useMemo(() => new Set(rows?.map(row => row.id)), [rows]);
  const oldest = complete ? '' : (rows?.at(-1)?.accepted_at ?? '');
  const { tenant, webhook_id } = filter;
  const live = useStream<Delivery>(
    'deliveries',
    { tenant, webhook_id },
    {
      batch: deliveries => {
        for (const { id } of deliveries) told.current.set(id, Date.now());
        const there = deliveries.filter(({ id }) => known.has(id) || changed.has(id));
        const added = deliveries.filter(
          one =>
            !known.has(one.id) &&
            !changed.has(one.id) &&
            one.accepted_at >= oldest &&
            matches(one, filter),
        );
        const shown = hold ? there : [...there, ...added];
        if (shown.length > 0) setChanged(before => put(before, shown));
        if (hold && added.length > 0) setQueued(before => put(before, added));
        setFresh(new Set(shown.map(one => one.id)));
      },
      gap: askSoon,
    },
    on,
  );

  const merged = useMemo(
    () => (rows === undefined ? undefined : merge(rows, changed)),
    [rows, changed],
  );
  // The cursor of the next page follows the last row of the answer, which is no longer here.
  const overflows = (merged?.length ?? 0) > limit;
  useEffect(() => {
    if (overflows && on) askSoon();
  }, [overflows, on, askSoon]);
  return {
    rows: on || frozen ? (overflows ? merged?.slice(0, limit) : merged) : rows,
    fresh,
    waiting: on ? queued.size : 0,
    show: () => {
      setChanged(before => put(before, [...queued.values()]));
      setFresh(new Set(queued.keys()));
      setQueued(new Map());
    },
    live,
  };
}

function put(before: ReadonlyMap<string, Delivery>, more: Delivery[]): Map<string, Delivery> {
  const all = [...before, ...more.map(one => [one.id, one] as const)];
  return new Map(all.slice(-MOST_NEW));
}

function merge(rows: Delivery[], changed: ReadonlyMap<string, Delivery>): Delivery[] {
  const left = new Map(changed);
  const updated = rows.map(row => {
    const newer = left.get(row.id);
    left.delete(row.id);
    return newer ?? row;
  });
  if (left.size === 0) return updated;
  return [...left.values(), ...updated].sort((a, b) => (a.accepted_at < b.accepted_at ? 1 : -1));
}
