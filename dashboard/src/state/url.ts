import { useCallback, useMemo } from 'react';
import { useLocation, useSearch } from 'wouter';
import { writtenPath } from './path';

/** What goes along from screen to screen; everything else in the query string is a screen's own. */
const KEPT = ['range', 'since', 'until', 'tenant'] as const;

export type Patch = Record<string, string | number | null | undefined>;

export interface UrlState {
  get(name: string): string | null;
  /** Changes parameters; null and '' remove one. Replaces the history entry unless told to push. */
  set(patch: Patch, options?: { push?: boolean }): void;
  /** The address of this screen with some parameters changed, for links. */
  href(patch: Patch): string;
}

/** The query string as state: what is filtered, opened and paged can be shared and gone back to. */
export function useUrlState(): UrlState {
  const search = useSearch();
  const [path, navigate] = useLocation();
  const get = useCallback(
    // The router's own is decoded in part already: %25 would be lost.
    (name: string) => new URLSearchParams(window.location.search).get(name),
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [search],
  );
  const href = useCallback(
    (patch: Patch) => writtenPath() + patched(search, patch),
    [path, search],
  );
  const set = useCallback(
    (patch: Patch, options?: { push?: boolean }) => {
      // Several changes may come before the next render: each starts from what is there now.
      navigate(writtenPath() + patched(window.location.search, patch), { replace: !options?.push });
    },
    [navigate, path],
  );
  return useMemo(() => ({ get, set, href }), [get, set, href]);
}

/** The address of another screen, keeping tenant and time range. */
export function useHref(): (to: string) => string {
  const search = useSearch();
  return useCallback(
    (to: string) => {
      const [path = '/', own = ''] = to.split('?');
      const target = new URLSearchParams(own);
      const here = new URLSearchParams(search);
      const hasRange = target.has('since') || target.has('range');
      for (const name of KEPT) {
        const value = here.get(name);
        if (value === null || target.has(name) || (hasRange && name !== 'tenant')) continue;
        target.set(name, value);
      }
      const query = readable(target);
      return query === '' ? path : `${path}?${query}`;
    },
    [search],
  );
}

export function patched(search: string, patch: Patch): string {
  const params = new URLSearchParams(search);
  for (const [name, value] of Object.entries(patch)) {
    if (value === null || value === undefined || value === '') params.delete(name);
    else params.set(name, String(value));
  }
  const query = readable(params);
  return query === '' ? '' : `?${query}`;
}

/** Commas, colons and stars need no escapes in a query; people read and share these addresses. */
function readable(params: URLSearchParams): string {
  return params.toString().replace(/%2C/g, ',').replace(/%3A/g, ':').replace(/%2F/g, '/');
}
