import { useEffect, useId, useRef, useState, type ReactNode } from 'react';
import { useShortcut } from '../state/keys';
import { Button } from './button';
import { Icon } from './icons';

/** The row of filters over a list, with what clears them all. */
export function FilterBar({
  active,
  onClear,
  children,
}: {
  active: boolean;
  onClear(): void;
  children: ReactNode;
}) {
  return (
    <div className="filters" role="search">
      {children}
      {active && (
        <Button look="quiet" icon="cross" onClick={onClear}>
          Clear filters
        </Button>
      )}
    </div>
  );
}

interface SearchProps {
  label: string;
  value: string;
  onChange(value: string): void;
  placeholder?: string;
  /** `/` puts the cursor here; one of a screen. */
  main?: boolean;
  /** Values that are likely meant; others can be typed too. */
  suggestions?: string[];
}

const PAUSE_MS = 300;

/** A text filter: takes effect when one pauses, at Enter, or when one leaves it. */
export function SearchField({
  label,
  value,
  onChange,
  placeholder,
  main,
  suggestions,
}: SearchProps) {
  const listId = useId();
  const [text, setText] = useState(value);
  const input = useRef<HTMLInputElement>(null);
  const timer = useRef<number>(undefined);
  useEffect(() => setText(value), [value]);
  useEffect(() => () => window.clearTimeout(timer.current), []);
  useShortcut('/', () => input.current?.select(), main === true);
  const take = (next: string) => {
    window.clearTimeout(timer.current);
    if (next.trim() !== value) onChange(next.trim());
  };
  return (
    <label className={`search${value === '' ? '' : ' on'}`}>
      <Icon name="search" size={14} />
      <span className="hidden-text">{label}</span>
      <input
        ref={input}
        type="search"
        value={text}
        placeholder={placeholder ?? label}
        list={suggestions && listId}
        autoComplete="off"
        spellCheck={false}
        onChange={event => {
          const next = event.target.value;
          setText(next);
          window.clearTimeout(timer.current);
          timer.current = window.setTimeout(take, next === '' ? 0 : PAUSE_MS, next);
        }}
        onBlur={() => take(text)}
        onKeyDown={event => {
          if (event.key === 'Enter') take(text);
          if (event.key === 'Escape') event.currentTarget.blur();
        }}
      />
      {main && <kbd aria-hidden="true">/</kbd>}
      {suggestions && (
        <datalist id={listId}>
          {suggestions.map(suggestion => (
            <option key={suggestion} value={suggestion} />
          ))}
        </datalist>
      )}
    </label>
  );
}

interface SelectProps {
  label: string;
  value: string;
  onChange(value: string): void;
  /** The first is "any"; groups by `group`. */
  options: { value: string; label: string; group?: string }[];
}

/** A filter of one of few; shows its name while it is at "any". */
export function FilterSelect({ label, value, onChange, options }: SelectProps) {
  const groups = [...new Set(options.map(option => option.group ?? ''))];
  const items = (group: string) =>
    options
      .filter(option => (option.group ?? '') === group)
      .map(option => (
        <option key={option.value} value={option.value}>
          {option.label}
        </option>
      ));
  return (
    <select
      className={`select filter${value === '' ? '' : ' on'}`}
      aria-label={label}
      value={value}
      onChange={event => onChange(event.target.value)}
    >
      <option value="">{label}: any</option>
      {groups.map(group =>
        group === '' ? (
          items(group)
        ) : (
          <optgroup key={group} label={group}>
            {items(group)}
          </optgroup>
        ),
      )}
    </select>
  );
}
