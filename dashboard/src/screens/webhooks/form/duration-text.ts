const UNITS = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** A duration as one writes it, without losing anything: 15 s, 90 min, 3 d. */
export function durationText(ms: number): string {
  const fits = (Object.entries(UNITS) as [string, number][])
    .reverse()
    .find(([, of]) => ms >= of && ms % of === 0);
  return fits === undefined ? `${ms} ms` : `${ms / fits[1]} ${fits[0]}`;
}

const PART = /(\d+(?:\.\d+)?)\s*(ms|min|m|sec|s|hours?|h|days?|d)(?![a-z])/y;

/** "1 h 30 min" in ms; undefined if it is none. A number without a unit is none: of what? */
export function parseDuration(text: string): number | undefined {
  const rest = text.trim().toLowerCase();
  let at = 0;
  let ms = 0;
  while (at < rest.length) {
    PART.lastIndex = at;
    const match = PART.exec(rest);
    if (match === null) return undefined;
    const [whole, number = '', unit = ''] = match;
    ms += Number(number) * unitMs(unit);
    at += whole.length;
    while (rest.charAt(at) === ' ') at += 1;
  }
  return at === 0 ? undefined : Math.round(ms);
}

function unitMs(unit: string): number {
  if (unit === 'ms') return UNITS.ms;
  if (unit.startsWith('m')) return UNITS.min;
  if (unit.startsWith('s')) return UNITS.s;
  return unit.startsWith('h') ? UNITS.h : UNITS.d;
}
