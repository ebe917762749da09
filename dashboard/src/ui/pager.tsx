import type { ReactNode } from 'react';
import { setPreference, usePreferences } from '../state/preferences';
import { useUrlState } from '../state/url';
import { Button } from './button';

/**
 * Pages by cursor: the address has the cursor, so a page can be shared; the way back to the page
 * before is kept in the session, because a cursor only leads forward.
 */
export function usePager(): { cursor: string | undefined; rows: number; first: boolean } {
  const cursor = useUrlState().get('cursor') ?? undefined;
  const { rows } = usePreferences();
  return { cursor, rows, first: cursor === undefined };
}

interface Props {
  next: string | null | undefined;
  /** Beside the buttons: how many rows, how far back was searched. */
  note?: ReactNode;
  /** The start of a sliding range, which stays as it is while one pages (see useListRange). */
  since?: string;
}

export function Pager({ next, note, since }: Props) {
  const url = useUrlState();
  const { rows } = usePreferences();
  const cursor = url.get('cursor');
  const goNext = () => {
    if (!next) return;
    sessionStorage.setItem(place(next), cursor ?? '');
    url.set({ cursor: next, from: since ?? null }, { push: true });
    scrollTo({ top: 0 });
  };
  const goBack = () => {
    const before = cursor === null ? null : sessionStorage.getItem(place(cursor));
    // Whoever was given the address of a page does not know the one before: the first, then.
    url.set({ cursor: before, from: before ? since : null }, { push: true });
    scrollTo({ top: 0 });
  };
  return (
    <nav className="pager" aria-label="Pages">
      <span className="muted small grow">{note}</span>
      <label className="row small muted">
        <span>Rows</span>
        <select
          className="select small"
          value={rows}
          onChange={event => {
            setPreference('rows', Number(event.target.value) as 25 | 50 | 100);
            url.set({ cursor: null });
          }}
        >
          <option>25</option>
          <option>50</option>
          <option>100</option>
        </select>
      </label>
      <Button small icon="left" disabled={cursor === null} onClick={goBack}>
        Prev
      </Button>
      <Button small disabled={!next} onClick={goNext} className="icon-after" icon="right">
        Next
      </Button>
    </nav>
  );
}

function place(cursor: string): string {
  return `postrider.before.${cursor}`;
}
