import { useEffect, useRef } from 'react';

/**
 * Keyboard shortcuts of the page: `g o` (one after the other), `/`, `?`, `j`. They rest while
 * something is typed or a dialog is open; `mod+k` works everywhere.
 */
type Handler = () => void;
const handlers = new Map<string, Handler[]>();
let pending: { key: string; at: number } | undefined;

export function useShortcut(keys: string, handler: Handler, on = true): void {
  const latest = useRef(handler);
  latest.current = handler;
  useEffect(() => {
    if (!on) return;
    const call = () => latest.current();
    handlers.set(keys, [...(handlers.get(keys) ?? []), call]);
    return () => {
      handlers.set(
        keys,
        (handlers.get(keys) ?? []).filter(other => other !== call),
      );
    };
  }, [keys, on]);
}

export function listenForShortcuts(): () => void {
  document.addEventListener('keydown', onKey);
  return () => document.removeEventListener('keydown', onKey);
}

function onKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing) return;
  if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === 'k') {
    run('mod+k', event);
    return;
  }
  if (event.metaKey || event.ctrlKey || event.altKey) return;
  if (isTyping(event.target) || document.querySelector('dialog:modal')) return;
  // The browser closes an open menu at Escape; what is behind it stays.
  if (event.key === 'Escape' && document.querySelector('[popover=auto]:popover-open')) return;
  const before = pending && event.timeStamp - pending.at < 1_200 ? pending.key : undefined;
  pending = { key: event.key, at: event.timeStamp };
  if (before !== undefined && run(`${before} ${event.key}`, event)) {
    pending = undefined;
    return;
  }
  if (event.key === 'Enter' && event.target !== document.body) return;
  run(event.key, event);
}

/** The one that came last wins: a list in a drawer over a list in a page. */
function run(keys: string, event: KeyboardEvent): boolean {
  const handler = handlers.get(keys)?.at(-1);
  if (handler === undefined) return false;
  event.preventDefault();
  handler();
  return true;
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)
    ? !(target instanceof HTMLInputElement && /^(checkbox|radio|button)$/.test(target.type))
    : false;
}
