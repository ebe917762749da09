import { useSyncExternalStore } from 'react';

/**
 * One clock for all that says "4 minutes ago": a timer for the page, not one for each cell. It is
 * the server's, as far as its answers tell it, because the times it is compared with are.
 */
let skew = 0;
let now = Date.now();
let timer: number | undefined;
const listeners = new Set<() => void>();

export function serverNow(): number {
  return Date.now() + skew;
}

/** Takes the server's time from an answer; differences of a few seconds are the way there. */
export function learnServerTime(date: string | null): void {
  if (date === null) return;
  const at = Date.parse(date);
  if (Number.isNaN(at)) return;
  const measured = at - Date.now();
  skew = Math.abs(measured) < 5_000 ? 0 : measured;
}

/** The current time in ms, stepping every second while it is looked at. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now);
}

function subscribe(tell: () => void): () => void {
  listeners.add(tell);
  if (timer === undefined) {
    now = serverNow();
    timer = window.setInterval(tick, 1_000);
  }
  return () => {
    listeners.delete(tell);
    if (listeners.size === 0) {
      window.clearInterval(timer);
      timer = undefined;
    }
  };
}

function tick(): void {
  if (document.hidden) return;
  now = serverNow();
  listeners.forEach(listener => listener());
}
