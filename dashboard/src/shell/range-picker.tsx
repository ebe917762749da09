import { useRef, useState, type FormEvent } from 'react';
import { serverNow } from '../state/now';
import { usePreferences } from '../state/preferences';
import { RANGES, rangeOf, rangePatch, useRange } from '../state/range';
import { useLocation } from 'wouter';
import { useUrlState } from '../state/url';
import { Button } from '../ui/button';
import { Icon } from '../ui/icons';
import { placeBelow } from '../ui/menu';

/** The time range of every screen: one of six that end now, or a fixed one. */
export function RangePicker() {
  const url = useUrlState();
  const range = useRange();
  const { zone } = usePreferences();
  const button = useRef<HTMLButtonElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  const [path] = useLocation();
  const kind = rangeOf(path, url.get('tab'));
  const anyTime = kind === 'any' && url.get('range') === null && !range.fixed;
  const { since, until } = range.bounds();
  const label = anyTime ? 'Any time' : range.fixed ? span(since, until, zone) : range.label;

  const take = (patch: Record<string, string | null>) => {
    panel.current?.hidePopover();
    url.set({ ...patch, cursor: null, from: null }, { push: true });
  };
  if (kind === 'none') return null;
  return (
    <>
      <button
        ref={button}
        type="button"
        className="button plain range-button"
        popoverTarget="range-panel"
        aria-haspopup="dialog"
        aria-label={`Time range: ${label}`}
      >
        <Icon name="calendar" />
        <span className="truncate">{label}</span>
        <Icon name="down" size={12} />
      </button>
      <div
        ref={panel}
        id="range-panel"
        popover="auto"
        className="menu pad"
        role="dialog"
        aria-label="Time range"
        onToggle={event => {
          if (event.newState !== 'open' || !panel.current || !button.current) return;
          placeBelow(panel.current, button.current);
        }}
      >
        <ul className="menu-list range-list">
          {kind === 'any' && (
            <li>
              <button
                type="button"
                aria-pressed={anyTime}
                onClick={() => take({ range: null, since: null, until: null })}
              >
                Any time
              </button>
            </li>
          )}
          {RANGES.map(({ id, label: name }) => (
            <li key={id}>
              <button
                type="button"
                aria-pressed={!anyTime && range.key === id}
                onClick={() => take({ range: id, since: null, until: null })}
              >
                Last {name}
              </button>
            </li>
          ))}
        </ul>
        <Custom key={range.key} since={since} until={until} zone={zone} onTake={take} />
      </div>
    </>
  );
}

/** "27 Nov, 02:49 – 03:01": the day once if it is one, and no seconds. */
function span(since: string, until: string, zone: 'utc' | 'local'): string {
  const format = new Intl.DateTimeFormat('en-GB', {
    day: 'numeric',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    ...(zone === 'utc' ? { timeZone: 'UTC' } : {}),
  });
  return format.formatRange(new Date(since), new Date(until));
}

interface CustomProps {
  since: string;
  until: string;
  zone: 'utc' | 'local';
  onTake(patch: Record<string, string | null>): void;
}

function Custom({ since, until, zone, onTake }: CustomProps) {
  const [from, setFrom] = useState(() => toInput(since, zone));
  const [to, setTo] = useState(() => toInput(until, zone));
  const start = fromInput(from, zone);
  const end = fromInput(to, zone);
  const wrong = !(start < end)
    ? 'The end must come after the start.'
    : start > serverNow()
      ? 'That is still to come.'
      : null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (wrong === null) onTake(rangePatch(start, end));
  };
  return (
    <form className="custom-range" onSubmit={submit}>
      <p className="menu-title">Custom, in {zone === 'utc' ? 'UTC' : 'local time'}</p>
      <label>
        From
        <input
          className="input"
          type="datetime-local"
          step={1}
          value={from}
          onChange={event => setFrom(event.target.value)}
        />
      </label>
      <label>
        To
        <input
          className="input"
          type="datetime-local"
          step={1}
          value={to}
          onChange={event => setTo(event.target.value)}
        />
      </label>
      {wrong !== null && <p className="field-error">{wrong}</p>}
      <Button type="submit" disabled={wrong !== null}>
        Show this range
      </Button>
    </form>
  );
}

/** The text of a datetime-local control, which knows no zones. */
function toInput(at: string, zone: 'utc' | 'local'): string {
  const date = new Date(at);
  const shifted =
    zone === 'utc' ? date : new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 19);
}

function fromInput(text: string, zone: 'utc' | 'local'): number {
  return Date.parse(zone === 'utc' ? `${text}Z` : text);
}
