import type { ReactNode } from 'react';
import { count, percent } from './format';

export interface Part {
  id: string;
  label: string;
  value: number;
  color: string;
}

/** One bar of parts, with its legend: what a total is made of. */
export function StackedBar({ parts, label }: { parts: Part[]; label: string }) {
  const total = parts.reduce((sum, part) => sum + part.value, 0);
  const shown = parts.filter(part => part.value > 0);
  return (
    <div className="stacked-bar" role="group" aria-label={label}>
      <div className="stacked-bar-track" aria-hidden="true">
        {shown.map(part => (
          <span
            key={part.id}
            style={{ flexGrow: part.value, background: `var(${part.color})` }}
            data-tip={`${part.label}: ${count(part.value)} (${percent(part.value / total)})`}
          />
        ))}
      </div>
      <ul className="legend">
        {shown.map(part => (
          <li key={part.id}>
            <span className="swatch" style={{ background: `var(${part.color})` }} />
            {part.label} <b>{count(part.value)}</b>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** A bar without words in a row of a list: ✓3 ↻1 ✗0. Its label says the numbers. */
export function MiniBar({ parts }: { parts: Part[] }) {
  const shown = parts.filter(part => part.value > 0);
  const label = shown.map(part => `${count(part.value)} ${part.label.toLowerCase()}`).join(', ');
  return (
    <span className="mini-bar" role="img" aria-label={label || 'none'} data-tip={label || 'none'}>
      {shown.map(part => (
        <span key={part.id} style={{ flexGrow: part.value, background: `var(${part.color})` }} />
      ))}
    </span>
  );
}

export interface BreakdownRow {
  id: string;
  label: ReactNode;
  value: number;
  /** Beside the value: an error rate. */
  note?: ReactNode;
  color?: string;
}

/** Rows with a bar behind each, the longest first: event types, status codes. */
export function Breakdown({
  rows,
  head,
}: {
  rows: BreakdownRow[];
  head: [string, string, string?];
}) {
  const max = Math.max(1, ...rows.map(row => row.value));
  return (
    <table className="breakdown">
      <thead>
        <tr>
          {head.map((text, at) => (
            <th key={text} scope="col" className={at > 0 ? 'end' : undefined}>
              {text}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map(row => (
          <tr key={row.id}>
            <td>
              <span
                className="breakdown-bar"
                style={{
                  width: `${(row.value / max) * 100}%`,
                  background: `var(${row.color ?? '--chart-a'})`,
                }}
                aria-hidden="true"
              />
              <span className="breakdown-label">{row.label}</span>
            </td>
            <td className="end">{count(row.value)}</td>
            {head.length > 2 && <td className="end">{row.note}</td>}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** How full something is: slots held of slots. */
export function Meter({ value, max, label }: { value: number; max: number; label: string }) {
  const share = max === 0 ? 0 : value / max;
  const tone = share > 0.95 ? 'bad' : share > 0.8 ? 'warn' : '';
  return (
    <span
      className={`meter ${tone}`}
      role="meter"
      aria-label={label}
      aria-valuenow={value}
      aria-valuemin={0}
      aria-valuemax={max}
    >
      <span style={{ width: `${Math.min(100, share * 100)}%` }} />
    </span>
  );
}
