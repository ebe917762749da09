const GROUPED = new Intl.NumberFormat('en-US');
const SHORT = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 });

/** 12,345 */
export function count(n: number): string {
  return GROUPED.format(n);
}

/** 12.3K, for tiles and axes. */
export function shortCount(n: number): string {
  return n < 10_000 ? GROUPED.format(Math.round(n * 100) / 100) : SHORT.format(n);
}

/** 10,000+ where counting stopped. */
export function capped(n: number, isCapped: boolean): string {
  return isCapped ? `${count(n)}+` : count(n);
}

/** 1 delivery, 1,284 deliveries. */
export function plural(n: number, one: string, many = `${one}s`, isCapped = false): string {
  return `${capped(n, isCapped)} ${n === 1 && !isCapped ? one : many}`;
}

/** 99.95 %: never rounded to 100 or 0 what is not. */
export function percent(ratio: number): string {
  const p = ratio * 100;
  if (p === 0 || p === 100) return `${p} %`;
  if (p > 99) return `${Math.min(p, 99.99).toFixed(2).replace(/0$/, '')} %`;
  if (p < 1) return `${Math.max(p, 0.01).toFixed(2)} %`;
  return `${p.toFixed(1)} %`;
}

/** A duration in ms: 0.4 ms, 84 ms, 1.28 s, 3 min 5 s, 2 h 10 min, 3 d 4 h. */
export function duration(ms: number): string {
  if (ms < 10) return `${trim(ms.toFixed(1))} ms`;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${trim((ms / 1_000).toFixed(2))} s`;
  if (ms < 60_000) return `${trim((ms / 1_000).toFixed(1))} s`;
  const s = Math.round(ms / 1_000);
  if (s < 3_600) return two(s, 60, 'min', 's');
  if (s < 86_400) return two(Math.round(s / 60), 60, 'h', 'min');
  return two(Math.round(s / 3_600), 24, 'd', 'h');
}

/** Bytes: 812 B, 4.2 KiB. */
export function bytes(n: number): string {
  if (n < 1_024) return `${n} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let value = n;
  let unit = 'B';
  for (const next of units) {
    if (value < 1_024) break;
    value /= 1_024;
    unit = next;
  }
  return `${trim(value.toFixed(value < 10 ? 1 : 0))} ${unit}`;
}

function two(n: number, per: number, big: string, small: string): string {
  const rest = n % per;
  return `${Math.floor(n / per)} ${big}${rest === 0 ? '' : ` ${rest} ${small}`}`;
}

function trim(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

/** The API writes for logs too, without a capital; names of fields stay as they are. */
export function sentence(text: string): string {
  const [first = ''] = text.split(' ');
  const begun = /^[a-z]+$/.test(first) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
