import type { Counts, Stats } from '../../api/types';

/** A bucket that is not over counts if so much of it has passed. */
const ENOUGH_MS = 5 * 60_000;

export interface Rates {
  /** Per minute of each bucket; null of one that has only begun. */
  values: (number | null)[];
  /** Of the last bucket that is known. */
  last: number | null;
  mean: number | null;
  max: number | null;
}

/** Counts as they go by in a minute, whatever the length of the buckets. */
export function perMinute(
  stats: Stats | undefined,
  pick: (counts: Counts) => number | null,
): Rates {
  if (stats === undefined) return { values: [], last: null, mean: null, max: null };
  const until = Date.parse(stats.until);
  const values = stats.buckets.map(bucket => {
    const lasted = Math.min(stats.interval_ms, until - Date.parse(bucket.at));
    // Of a bucket that has only begun too little is known: it would look like a standstill.
    if (lasted < Math.min(stats.interval_ms, ENOUGH_MS)) return null;
    const counted = pick(bucket);
    return counted === null ? null : counted / (lasted / 60_000);
  });
  const known = values.filter(value => value !== null);
  const total = pick(stats.totals);
  const spanned = (until - Date.parse(stats.since)) / 60_000;
  return {
    values,
    last: known.at(-1) ?? null,
    mean: total === null || spanned <= 0 ? null : total / spanned,
    max: known.length === 0 ? null : Math.max(...known),
  };
}

export const ended = (counts: Counts) => counts.delivered + counts.failed + counts.cancelled;

/** 0.4, 12.5, 1,204: as exact as one reads it, and on an axis as its `step` needs. */
export function rate(value: number, step?: number): string {
  if (value === 0) return '0';
  if (step === undefined && value < 0.1) return '<0.1';
  const digits = step === undefined ? (value < 100 ? 1 : 0) : decimals(step);
  return new Intl.NumberFormat('en-US', {
    maximumFractionDigits: digits,
    minimumFractionDigits: step === undefined ? 0 : digits,
    notation: value >= 100_000 ? 'compact' : 'standard',
  }).format(value);
}

/** 1 of 0.5, 2 of 0.25, 0 of 20. */
function decimals(step: number): number {
  return Number(step.toFixed(4)).toString().split('.')[1]?.length ?? 0;
}
