import type { ReactNode } from 'react';
import { AppLink } from './link';
import { Skeleton } from './list-states';
import { Sparkline } from './sparkline';

interface Props {
  label: string;
  /** What is counted, in its tooltip. */
  about: string;
  /** Undefined while it loads. */
  value: ReactNode | undefined;
  unit?: string;
  delta?: DeltaOf;
  spark?: (number | null)[];
  color?: string;
  /** Where it is explained by rows. */
  to?: string;
  note?: ReactNode;
}

export interface DeltaOf {
  now: number | null;
  before: number | null | undefined;
  /** Whether more is better, worse, or neither. */
  more: 'good' | 'bad' | 'neutral';
  /** Of ratios the difference is in points, not in per cent. */
  points?: boolean;
}

/** One number of the overview: value, change against the range before, and its shape. */
export function Tile({ label, about, value, delta, spark, color, to, note }: Props) {
  const body = (
    <>
      <span className="tile-label" data-tip={about}>
        {label}
      </span>
      <span className="tile-value">
        {value === undefined ? <Skeleton width={72} height={24} /> : value}
      </span>
      <span className="tile-foot">
        {delta && value !== undefined && <Delta {...delta} />}
        {note && <span className="faint small truncate">{note}</span>}
      </span>
      {spark && spark.length > 0 && (
        <Sparkline values={spark} label={`${label} over the range`} color={color} />
      )}
    </>
  );
  return to === undefined ? (
    <div className="tile">{body}</div>
  ) : (
    <AppLink to={to} className="tile">
      {body}
    </AppLink>
  );
}

function Delta({ now, before, more, points }: DeltaOf) {
  if (now === null || before === null || before === undefined) return null;
  const change = points ? (now - before) * 100 : before === 0 ? null : (now / before - 1) * 100;
  if (change === null)
    return now === 0 ? null : (
      <span className="delta" data-tip="There was none in the range before">
        new
      </span>
    );
  const shown =
    Math.abs(change) < 10 ? Math.abs(change).toFixed(1) : Math.round(Math.abs(change)).toString();
  if (shown === '0.0')
    return (
      <span className="delta" data-tip="Against the range before">
        no change
      </span>
    );
  const better = more === 'neutral' ? '' : change > 0 === (more === 'good') ? 'good' : 'worse';
  const big = Math.abs(change) > 999;
  return (
    <span className={`delta ${better}`} data-tip="Against the range before">
      <span aria-hidden="true">{change > 0 ? '↑' : '↓'}</span>
      <span className="hidden-text">{change > 0 ? 'up' : 'down'}</span> {big ? '>999' : shown}
      {points ? ' pts' : ' %'}
    </span>
  );
}
