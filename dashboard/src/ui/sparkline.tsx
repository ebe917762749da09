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
  if (known.length === 0) return null;
  const alone = known.length === 1;
  // A dot is kept off the edges, which would cut it.
  const edge = alone ? 3 : 0;
  const x = (index: number) =>
    Math.min(Math.max((index / Math.max(values.length - 1, 1)) * width, edge), width - edge);
  const y = (value: number) =>
    max === 0 ? height - 1.5 - edge / 2 : height - 1.5 - (value / max) * (height - 4);
  // Its shape is what it tells: gaps are bridged, what comes before the first value stays empty.
  const points = values.flatMap((value, at) =>
    value === null ? [] : [[x(at), y(value)] as const],
  );
  const top = points.map(([left, down]) => `${left.toFixed(1)} ${down.toFixed(1)}`).join('L');
  const [from] = points[0] ?? [0];
  const [to] = points.at(-1) ?? [0];
  return (
    <svg
      className="sparkline"
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
      style={{ color: `var(${color})` }}
    >
      <path d={`M${from} ${height}L${top}L${to} ${height}Z`} fill="currentColor" opacity="0.12" />
      <path
        // One value alone is a dot: the round ends of a line without length.
        d={`M${top}${alone ? 'h0.01' : ''}`}
        fill="none"
        stroke="currentColor"
        strokeWidth={alone ? 4 : 1.5}
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
