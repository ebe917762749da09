import { useSyncExternalStore } from 'react';

let reached = true;
const listeners = new Set<() => void>();

/** What every request and every stream meets, at once: whether the server is there. */
export function tellReached(is: boolean): void {
  if (is === reached) return;
  reached = is;
  listeners.forEach(tell => tell());
}

export function isReached(): boolean {
  return reached;
}

export function onReachChange(tell: () => void): () => void {
  listeners.add(tell);
  return () => listeners.delete(tell);
}

export function useReached(): boolean {
  return useSyncExternalStore(onReachChange, isReached);
}
