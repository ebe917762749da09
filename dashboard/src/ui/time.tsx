import { serverNow, useNow } from '../state/now';
import { usePreferences } from '../state/preferences';
import { duration } from './format';

const PARTS: Intl.DateTimeFormatOptions = {
  year: 'numeric',
  month: 'short',
  day: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
};
const UTC = new Intl.DateTimeFormat('en-GB', { ...PARTS, timeZone: 'UTC' });
const LOCAL = new Intl.DateTimeFormat('en-GB', { ...PARTS, timeZoneName: 'short' });

interface Props {
  at: string | null | undefined;
  /** `ago`: "4 min ago", "in 3 min"; `full`: date and time; `clock`: the time, with a date if not today. */
  as?: 'ago' | 'full' | 'clock';
}

/** A moment, with both its UTC and its local time in the tooltip. */
export function Time({ at, as = 'ago' }: Props) {
  if (!at) return <span className="faint">–</span>;
  return (
    <time dateTime={at} data-tip={bothZones(at)} className="nowrap">
      {as === 'ago' ? <Ago at={at} /> : <Absolute at={at} clock={as === 'clock'} />}
    </time>
  );
}

/** What the tooltip says, for those who build their own cell. */
export function bothZones(at: string): string {
  const date = new Date(at);
  return `${UTC.format(date)} UTC\n${LOCAL.format(date)}`;
}

/** How long since (or until) a moment, without words around it: "4 min". */
export function Since({ at }: { at: string }) {
  const now = useNow();
  return (
    <time dateTime={at} data-tip={bothZones(at)} className="nowrap">
      {roughly(Math.abs(now - Date.parse(at)))}
    </time>
  );
}

export function useFormatTime(): (at: string | number, withDate?: boolean) => string {
  const { zone } = usePreferences();
  return (at, withDate = true) => formatTime(at, zone, withDate);
}

export function formatTime(at: string | number, zone: 'utc' | 'local', withDate = true): string {
  return new Intl.DateTimeFormat('en-GB', {
    ...(withDate
      ? PARTS
      : { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' }),
    ...(zone === 'utc' ? { timeZone: 'UTC' } : {}),
  }).format(new Date(at));
}

function Ago({ at }: { at: string }) {
  const ms = Date.parse(at) - useNow();
  const text = roughly(Math.abs(ms));
  if (text === 'now') return 'now';
  return ms > 0 ? `in ${text}` : `${text} ago`;
}

function Absolute({ at, clock }: { at: string; clock: boolean }) {
  const { zone } = usePreferences();
  const today = new Date(serverNow()).toISOString().slice(0, 10) === at.slice(0, 10);
  return formatTime(at, zone, !(clock && today)) + (zone === 'utc' ? ' UTC' : '');
}

/** One unit, two where they matter: what one says, not what one measures. */
export function roughly(ms: number): string {
  if (ms < 1_000) return 'now';
  if (ms < 60_000) return `${Math.floor(ms / 1_000)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min`;
  if (ms < 86_400_000) return `${Math.floor(ms / 3_600_000)} h`;
  if (ms < 3 * 86_400_000) return duration(Math.floor(ms / 3_600_000) * 3_600_000);
  return `${Math.floor(ms / 86_400_000)} d`;
}
