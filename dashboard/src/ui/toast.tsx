import { useEffect, useSyncExternalStore } from 'react';
import { IconButton } from './button';
import { Icon } from './icons';

export interface Toast {
  tone?: 'ok' | 'bad' | 'info';
  text: string;
  action?: { label: string; run(): void };
}

interface Shown extends Toast {
  key: number;
}

const STAYS_MS = 6_000;
let toasts: Shown[] = [];
let next = 0;
const listeners = new Set<() => void>();

/** Says something at the edge of the page for a while; errors stay until they are dismissed. */
export function say(toast: Toast): void {
  next += 1;
  put([...toasts.slice(-3), { ...toast, key: next }]);
}

/** Where toasts appear. It is there from the start, because only then are they read out. */
export function Toasts() {
  const shown = useSyncExternalStore(
    tell => {
      listeners.add(tell);
      return () => listeners.delete(tell);
    },
    () => toasts,
  );
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map(toast => (
        <One key={toast.key} toast={toast} />
      ))}
    </div>
  );
}

function One({ toast }: { toast: Shown }) {
  const { tone = 'ok', key, action } = toast;
  useEffect(() => {
    if (tone === 'bad') return;
    const timer = window.setTimeout(drop, STAYS_MS, key);
    return () => window.clearTimeout(timer);
  }, [key, tone]);
  return (
    <div className={`toast ${tone}`}>
      <Icon name={tone === 'ok' ? 'check' : tone === 'bad' ? 'warning' : 'info'} />
      <span className="grow">{toast.text}</span>
      {action && (
        <button
          type="button"
          className="link"
          onClick={() => {
            drop(key);
            action.run();
          }}
        >
          {action.label}
        </button>
      )}
      <IconButton small icon="cross" label="Dismiss" onClick={() => drop(key)} />
    </div>
  );
}

function drop(key: number): void {
  put(toasts.filter(toast => toast.key !== key));
}

/** What is no longer so. */
export function unsay(text: string): void {
  put(toasts.filter(toast => toast.text !== text));
}

function put(changed: Shown[]): void {
  toasts = changed;
  listeners.forEach(tell => tell());
}
