import UPlot from 'uplot';
import type { ChartProps, Series } from './chart';

/** uPlot, told what we need of it: stacking, our colours, a range dragged with the mouse. */
export interface Drawn {
  update(at: number[], series: Series[]): void;
  destroy(): void;
}

interface Told {
  hover(at: { index: number; left: number } | null): void;
  range(since: number, until: number): void;
}

const WHOLE = Array.from({ length: 12 }, (_, n) => [1, 2, 5].map(step => step * 10 ** n)).flat();

type Shape = ChartProps & { height: number; zone: 'utc' | 'local' };

export function draw(box: HTMLElement, shape: Shape, told: Told): Drawn {
  const color = colors(box);
  const stacked = shape.kind !== 'lines';
  const axis = {
    stroke: color('--text-3'),
    font: '11px system-ui, sans-serif',
    grid: { stroke: color('--chart-grid'), width: 1 },
    ticks: { show: false },
  };
  const plot = new UPlot(
    {
      width: Math.max(box.clientWidth, 120),
      height: shape.height,
      padding: [10, 16, 0, 0],
      legend: { show: false },
      ms: 1,
      tzDate:
        shape.zone === 'utc' ? ms => UPlot.tzDate(new Date(ms), 'Etc/UTC') : ms => new Date(ms),
      cursor: {
        y: false,
        points: { show: !stacked, size: 6 },
        drag: { x: shape.onRange !== undefined, y: false, setScale: false },
      },
      scales: {
        x: { time: true, ...(shape.kind === 'bars' ? { range: withLastBar } : {}) },
        y: { range: (_, __, most) => [0, shape.max ?? niceMax(most)] },
      },
      axes: [
        { ...axis, size: 26, gap: 6, space: 72, values: timeLabels(shape.zone) },
        {
          ...axis,
          size: (_, values) => 12 + 6.6 * Math.max(3, ...(values ?? []).map(text => text.length)),
          space: 34,
          // Of what is counted there are no halves.
          ...(stacked && shape.max === undefined ? { incrs: WHOLE } : {}),
          values: (_, splits) => {
            const step = (splits[1] ?? 0) - (splits[0] ?? 0);
            return splits.map(at => shape.format(at, step));
          },
        },
      ],
      // Stacked series are drawn from the highest sum down, each over the one behind it.
      series: [{}, ...ordered(shape.series, stacked).map(one => line(one, shape.kind, color))],
      hooks: {
        setCursor: [
          u => {
            const { idx, left } = u.cursor;
            const wide = u.over.clientWidth;
            if (idx === null || idx === undefined || left === undefined || left < 0)
              told.hover(null);
            else
              told.hover({
                index: idx,
                left: (u.over.offsetLeft + left) / (u.over.offsetLeft + wide),
              });
          },
        ],
        setSelect: [
          u => {
            const { left, width } = u.select;
            if (width < 4) return;
            told.range(u.posToVal(left, 'x'), u.posToVal(left + width, 'x'));
            u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          },
        ],
      },
    },
    aligned(shape.at, shape.series, stacked),
    box,
  );
  const resized = new ResizeObserver(() => {
    if (box.clientWidth > 0) plot.setSize({ width: box.clientWidth, height: shape.height });
  });
  resized.observe(box);
  return {
    update: (at, series) => plot.setData(aligned(at, series, stacked)),
    destroy: () => {
      resized.disconnect();
      told.hover(null);
      plot.destroy();
    },
  };
}

/** A bar begins at its moment: the last one needs as much room again. */
function withLastBar(u: UPlot, from: number | null, to: number | null): [number, number] {
  const at = u.data[0];
  const width = (at.at(-1) ?? 0) - (at.at(-2) ?? at.at(-1) ?? 0);
  return [from ?? 0, (to ?? 0) + width];
}

function line(
  one: Series,
  kind: ChartProps['kind'],
  color: (token: string) => string,
): UPlot.Series {
  const stroke = color(one.color);
  if (kind === 'bars') {
    const bars = UPlot.paths.bars?.({ size: [0.78, 40], align: 1, gap: 1 });
    return { label: one.label, fill: stroke, width: 0, points: { show: false }, paths: bars };
  }
  if (kind === 'area') {
    return { label: one.label, stroke, fill: stroke, width: 1, points: dots(stroke) };
  }
  return {
    label: one.label,
    stroke,
    width: 1.75,
    spanGaps: false,
    points: dots(stroke),
  };
}

/** A value between two gaps makes no line and no area: only such ones are dots. */
function dots(fill: string): UPlot.Series.Points {
  return { show: true, size: 5, width: 0, fill, filter: alone };
}

function alone(u: UPlot, index: number): number[] {
  const values = u.data[index] ?? [];
  const missing = (at: number) => values[at] === null || values[at] === undefined;
  return [...values.keys()].filter(at => !missing(at) && missing(at - 1) && missing(at + 1));
}

function aligned(at: number[], series: Series[], stacked: boolean): UPlot.AlignedData {
  if (!stacked) return [at, ...series.map(one => one.values)];
  const sums = at.map(() => 0);
  // What was not looked at is a gap, not nothing.
  const known = at.map((_, index) => series.some(one => one.values[index] != null));
  const layers = series.map(one =>
    at.map((_, index) => {
      sums[index] = (sums[index] ?? 0) + (one.values[index] ?? 0);
      return known[index] ? (sums[index] ?? 0) : null;
    }),
  );
  return [at, ...layers.reverse()];
}

function ordered(series: Series[], stacked: boolean): Series[] {
  return stacked ? series.toReversed() : series;
}

function niceMax(most: number | null): number {
  if (most === null || most <= 0) return 1;
  const step = 10 ** Math.floor(Math.log10(most)) / 2;
  return Math.ceil((most * 1.05) / step) * step;
}

function timeLabels(zone: 'utc' | 'local'): (u: UPlot, splits: number[]) => string[] {
  const base = zone === 'utc' ? { timeZone: 'UTC' } : {};
  const clock = new Intl.DateTimeFormat('en-GB', { ...base, hour: '2-digit', minute: '2-digit' });
  const exact = new Intl.DateTimeFormat('en-GB', {
    ...base,
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });
  const day = new Intl.DateTimeFormat('en-GB', { ...base, day: 'numeric', month: 'short' });
  return (_, splits) => {
    const step = (splits[1] ?? 0) - (splits[0] ?? 0);
    let before = '';
    return splits.map(at => {
      const date = day.format(at);
      const newDay = date !== before && clock.format(at) === '00:00';
      before = date;
      if (step >= 86_400_000 || newDay) return date;
      return (step < 60_000 ? exact : clock).format(at);
    });
  };
}

/** Canvases take no custom properties: each colour is read off an element that has it. */
function colors(box: HTMLElement): (token: string) => string {
  const probe = document.createElement('span');
  box.append(probe);
  const read = (token: string) => {
    probe.style.color = `var(${token})`;
    return getComputedStyle(probe).color;
  };
  // It stays in the box for later reads and goes with the chart.
  probe.hidden = true;
  return read;
}
