import 'uplot/dist/uPlot.min.css';
import { useEffect, useId, useMemo, useRef, useState } from 'react';
import type uPlot from 'uplot';
import { usePreferences, useShownTheme } from '../state/preferences';
import { ChartTable } from './chart-table';
import { draw, type Drawn } from './chart-draw';
import { IconButton } from './button';
import { useFormatTime } from './time';

export interface Series {
  id: string;
  label: string;
  /** The name of a token of tokens.css: '--chart-ok'. */
  color: string;
  values: (number | null)[];
}

export interface ChartProps {
  /** `bars` and `area` are stacked in the order given, `lines` are not. */
  kind: 'bars' | 'area' | 'lines';
  label: string;
  /** The starts of the buckets in ms. */
  at: number[];
  intervalMs: number;
  series: Series[];
  /** `step` is that of the axis, which may need more decimals than a value alone. */
  format(value: number, step?: number): string;
  height?: number;
  /** Dragging over the chart calls it with the range in ms. */
  onRange?(since: number, until: number): void;
  /** The axis ends there: 1 for ratios. */
  max?: number;
}

/**
 * A time series on a canvas, which screen readers do not see: the same numbers are in a table, one
 * button away.
 */
export function Chart(props: ChartProps) {
  const { label, at, series, format, height = 200 } = props;
  const box = useRef<HTMLDivElement>(null);
  const drawn = useRef<Drawn>(undefined);
  const latest = useRef(props);
  latest.current = props;
  const [table, setTable] = useState(false);
  const [hover, setHover] = useState<{ index: number; left: number } | null>(null);
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const theme = useShownTheme();
  const { zone } = usePreferences();
  const formatTime = useFormatTime();
  const captionId = useId();

  const shown = useMemo(() => series.filter(one => !hidden.has(one.id)), [series, hidden]);
  const shape = `${props.kind} ${shown.map(one => one.id).join()} ${theme} ${zone} ${height} ${props.max}`;

  useEffect(() => {
    if (table || !box.current) return;
    const made = draw(
      box.current,
      { ...latest.current, series: shown, height, zone },
      {
        hover: setHover,
        range: (since, until) => latest.current.onRange?.(since, until),
      },
    );
    drawn.current = made;
    return () => made.destroy();
    // New numbers go into the chart that is there, below; only another shape makes another one.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [shape, table]);

  useEffect(() => {
    drawn.current?.update(at, shown);
  }, [at, shown]);

  const index = hover === null || hover.index >= at.length ? null : hover.index;
  return (
    <figure className="chart" aria-labelledby={captionId}>
      <figcaption id={captionId} className="hidden-text">
        {label}
      </figcaption>
      <div className="chart-head">
        <ul className="legend">
          {series.map(one => (
            <li key={one.id}>
              <button
                type="button"
                aria-pressed={!hidden.has(one.id)}
                data-tip={hidden.has(one.id) ? 'Show' : 'Hide'}
                onClick={() => setHidden(toggle(hidden, one.id, series.length))}
              >
                <span className="swatch" style={{ background: `var(${one.color})` }} />
                {one.label}
              </button>
            </li>
          ))}
        </ul>
        <IconButton
          small
          icon={table ? 'chart' : 'table'}
          label={table ? 'Show as chart' : 'Show as table'}
          onClick={() => setTable(!table)}
        />
      </div>
      {table ? (
        <ChartTable at={at} series={series} format={format} label={label} />
      ) : (
        <div className="chart-box" style={{ height }}>
          <div ref={box} className="chart-canvas" />
          {index !== null && hover !== null && (
            <div
              className={`chart-tip${hover.left > 0.6 ? ' before' : ''}`}
              style={{ left: `${hover.left * 100}%` }}
            >
              <p className="faint">{formatTime(at[index] ?? 0)}</p>
              {shown.toReversed().map(one => (
                <p key={one.id}>
                  <span className="swatch" style={{ background: `var(${one.color})` }} />
                  <span className="grow">{one.label}</span>
                  <b>{valueText(one.values[index], format)}</b>
                </p>
              ))}
            </div>
          )}
        </div>
      )}
    </figure>
  );
}

export function valueText(
  value: number | null | undefined,
  format: (value: number) => string,
): string {
  return value === null || value === undefined ? '–' : format(value);
}

function toggle(hidden: ReadonlySet<string>, id: string, of: number): Set<string> {
  const next = new Set(hidden);
  if (!next.delete(id)) next.add(id);
  // A chart of nothing is no chart.
  return next.size === of ? new Set() : next;
}

export type AlignedData = uPlot.AlignedData;
