import { useLayoutEffect, useRef, type KeyboardEvent, type ReactNode } from 'react';

interface Props<Id extends string> {
  label: string;
  tabs: { id: NoInfer<Id>; label: string; count?: ReactNode }[];
  value: Id;
  onChange(id: NoInfer<Id>): void;
  children?: ReactNode;
}

/** Tabs of a screen; arrows move between them. The panel is the children. */
export function Tabs<Id extends string>({ label, tabs, value, onChange, children }: Props<Id>) {
  return (
    <div className="tabs-box">
      <TabRow label={label} tabs={tabs} value={value} onChange={onChange} />
      <div role="tabpanel" aria-labelledby={`tab-${value}`} className="tab-panel">
        {children}
      </div>
    </div>
  );
}

function TabRow<Id extends string>({ label, tabs, value, onChange }: Props<Id>) {
  const row = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    // On a phone they do not all fit: the chosen one does, without moving the page.
    const tab = row.current?.querySelector<HTMLElement>(`#tab-${value}`);
    if (!row.current || !tab) return;
    row.current.scrollLeft = tab.offsetLeft - (row.current.clientWidth - tab.clientWidth) / 2;
  }, [value]);
  const onKey = (event: KeyboardEvent<HTMLDivElement>) => {
    const at = tabs.findIndex(tab => tab.id === value);
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    const next = tabs[(at + by + tabs.length) % tabs.length];
    if (next === undefined) return;
    onChange(next.id);
    event.currentTarget.querySelector<HTMLElement>(`#tab-${next.id}`)?.focus();
  };
  return (
    <div ref={row} role="tablist" aria-label={label} className="tabs" onKeyDown={onKey}>
      {tabs.map(tab => (
        <button
          key={tab.id}
          id={`tab-${tab.id}`}
          type="button"
          role="tab"
          aria-selected={tab.id === value}
          tabIndex={tab.id === value ? 0 : -1}
          onClick={() => onChange(tab.id)}
        >
          {tab.label} {tab.count !== undefined && <span className="count">{tab.count}</span>}
        </button>
      ))}
    </div>
  );
}

interface SegmentsProps<Id extends string> {
  label: string;
  options: { id: NoInfer<Id>; label: ReactNode; tip?: string }[];
  value: Id;
  onChange(id: NoInfer<Id>): void;
}

/** A choice of few, all seen: Pretty / Raw, UTC / Local. */
export function Segments<Id extends string>({
  label,
  options,
  value,
  onChange,
}: SegmentsProps<Id>) {
  return (
    <div role="group" aria-label={label} className="segments">
      {options.map(option => (
        <button
          key={option.id}
          type="button"
          aria-pressed={option.id === value}
          data-tip={option.tip}
          onClick={() => onChange(option.id)}
        >
          {option.label}
        </button>
      ))}
    </div>
  );
}
