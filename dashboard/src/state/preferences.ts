import { useSyncExternalStore } from 'react';

/** What a person prefers in this browser, whoever is logged in. */
export interface Preferences {
  theme: 'system' | 'light' | 'dark';
  zone: 'local' | 'utc';
  rows: 25 | 50 | 100;
}

const PLACE = 'postrider.preferences';
const DEFAULTS: Preferences = { theme: 'system', zone: 'local', rows: 50 };
const listeners = new Set<() => void>();
let current = load();

export function preferences(): Preferences {
  return current;
}

export function setPreference<K extends keyof Preferences>(name: K, value: Preferences[K]): void {
  current = { ...current, [name]: value };
  try {
    localStorage.setItem(PLACE, JSON.stringify(current));
  } catch {
    // Without storage it holds until the page is closed.
  }
  applyTheme();
  listeners.forEach(tell => tell());
}

export function usePreferences(): Preferences {
  return useSyncExternalStore(subscribe, preferences);
}

/** Called before the first paint, so that nothing flashes in the other theme. */
export function applyTheme(): void {
  const root = document.documentElement;
  if (current.theme === 'system') delete root.dataset.theme;
  else root.dataset.theme = current.theme;
}

const dark = matchMedia('(prefers-color-scheme: dark)');

/** The theme that is shown: for canvases, which take no colours from style sheets. */
export function useShownTheme(): 'light' | 'dark' {
  const { theme } = usePreferences();
  const system = useSyncExternalStore(
    tell => {
      dark.addEventListener('change', tell);
      return () => dark.removeEventListener('change', tell);
    },
    () => dark.matches,
  );
  if (theme !== 'system') return theme;
  return system ? 'dark' : 'light';
}

function subscribe(tell: () => void): () => void {
  listeners.add(tell);
  return () => listeners.delete(tell);
}

function load(): Preferences {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(PLACE) ?? '{}');
    return { ...DEFAULTS, ...(stored as Partial<Preferences>) };
  } catch {
    return DEFAULTS;
  }
}
