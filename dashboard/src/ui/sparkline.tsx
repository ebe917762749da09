interface Props {
  values: (number | null)[];
  /** Says what it shows to those who cannot see it. */
  label: string;
  color?: string;
  width?: number;
  height?: number;
}

/** A small line without axes: the shape of a number over the range. */
export function Sparkline({ values, label, color = '--accent', width = 96, height = 28 }: Props) {
  const known = values.filter(value => value !== null);
  const max = Math.max(...known, 0);
  const x = (index: number) => (index / Math.max(values.length - 1, 1)) * width;
  const y = (value: number) =>
    max === 0 ? height - 1.5 : height - 1.5 - (value / max) * (height - 4);
  const line = segments(values)
    .map(part =>
      part
        .map(([at, value], n) => `${n === 0 ? 'M' : 'L'}${x(at).toFixed(1)} ${y(value).toFixed(1)}`)
        .join(''),
    )
    // One value alone is a dot: the round ends of a line without length.
    .map((path, n) => (segments(values)[n]?.length === 1 ? `${path}h0.01` : path))
    .join('');
  const area = segments(values)
    .map(part => {
      const [first] = part[0] ?? [0];
      const [last] = part.at(-1) ?? [0];
      const top = part.map(([at, value]) => `L${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join('');
      return `M${x(first).toFixed(1)} ${height}${top}L${x(last).toFixed(1)} ${height}Z`;
    })
    .join('');
  return (
    <svg
      className="sparkline"
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
      style={{ color: `var(${color})` }}
    >
      <path d={area} fill="currentColor" opacity="0.12" />
      <path
        d={line}
        fill="none"
        stroke="currentColor"
        strokeWidth="1.5"
        strokeLinecap="round"
        vectorEffect="non-scaling-stroke"
      />
    </svg>
  );
}

interface SparkBarsProps {
  bars: { success: number; failure: number }[];
  label: string;
}

/** Success and failure side by side in time, in the row of a list. */
export function SparkBars({ bars, label }: SparkBarsProps) {
  const max = Math.max(1, ...bars.map(bar => bar.success + bar.failure));
  const height = 22;
  const step = 4;
  return (
    <svg
      className="spark-bars"
      width={bars.length * step}
      height={height}
      role="img"
      aria-label={label}
    >
      {bars.map((bar, at) => {
        const good = (bar.success / max) * (height - 2);
        const bad = bar.failure === 0 ? 0 : Math.max(2, (bar.failure / max) * (height - 2));
        const none = bar.success + bar.failure === 0;
        return (
          <g key={at}>
            {none && <rect x={at * step} y={height - 1} width={3} height={1} className="none" />}
            <rect x={at * step} y={height - good} width={3} height={good} className="good" />
            <rect x={at * step} y={height - good - bad} width={3} height={bad} className="bad" />
          </g>
        );
      })}
    </svg>
  );
}

function segments(values: (number | null)[]): [number, number][][] {
  const parts: [number, number][][] = [];
  let open: [number, number][] | undefined;
  values.forEach((value, at) => {
    if (value === null) {
      open = undefined;
      return;
    }
    if (open === undefined) {
      open = [];
      parts.push(open);
    }
    open.push([at, value]);
  });
  return parts;
}
