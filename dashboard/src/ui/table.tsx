import { useEffect, useRef, type MouseEvent, type ReactNode } from 'react';
import { useLocation } from 'wouter';
import { asProblem } from '../api/problem';
import { useShortcut } from '../state/keys';
import { Banner } from './banner';
import { Button } from './button';
import { AppLink } from './link';
import { ErrorState, NoMatch, Skeleton } from './list-states';

export interface Column<T> {
  id: string;
  head: string;
  cell(row: T): ReactNode;
  /** Numbers stand at the end of their column. */
  align?: 'end';
  /** The cell that is the row's link. */
  primary?: boolean;
  /** What the head means, in its tooltip. */
  about?: string;
  /** Left out where the table has less than 1000 or 1280 px; the cards of a phone show it. */
  from?: 'l' | 'xl';
  /** Left out of the cards of a phone. */
  phone?: false;
  width?: string;
  /** Takes the room that is left, and is cut where there is none: URLs. */
  fills?: boolean;
}

interface Props<T> {
  /** What the rows are, in plural: "deliveries". */
  what: string;
  columns: Column<T>[];
  rows: T[] | undefined;
  rowKey(row: T): string;
  /** Where a row leads: an address of useUrlState().href, or of another screen. */
  rowHref?(row: T): string;
  /** Of a row for its checkbox: "Select delivery dlv_…". */
  rowName?(row: T): string;
  /** The row that is open beside the list. */
  open?: string | null;
  chosen?: ReadonlySet<string>;
  onChoose?(chosen: Set<string>): void;
  /** Rows that just came, by key: they are marked for a moment. */
  fresh?: ReadonlySet<string>;
  error: unknown;
  onRetry(): void;
  /** Whether filters narrow it, and how to be rid of them. */
  filtered?: boolean;
  onClear?(): void;
  /** What stands there if nothing was ever there. */
  empty: ReactNode;
  skeletonRows?: number;
}

/**
 * The list of every screen, with its four states. Rows are walked with j and k, which move the
 * focus from link to link, so that Enter opens and a screen reader reads; x chooses. On a phone each
 * row becomes a small card (see table.css).
 */
export function DataTable<T>(props: Props<T>) {
  const { columns, rows, rowKey, rowHref, chosen, onChoose, error } = props;
  const table = useRef<HTMLTableElement>(null);
  const [, navigate] = useLocation();
  useRowKeys(table, props);

  if (rows === undefined && error) {
    return <ErrorState problem={asProblem(error)} onRetry={props.onRetry} />;
  }
  if (rows?.length === 0) {
    if (props.filtered && props.onClear)
      return <NoMatch what={props.what} onClear={props.onClear} />;
    return props.empty;
  }

  const openRow = (event: MouseEvent, row: T) => {
    const target = event.target as Element;
    if (!rowHref || target.closest('a, button, input, select, label, [popover], dialog')) return;
    if (window.getSelection()?.isCollapsed === false) return;
    navigate(rowHref(row));
  };
  const all = rows?.map(rowKey) ?? [];
  const allChosen = all.length > 0 && all.every(key => chosen?.has(key));

  return (
    <>
      {error !== null && error !== undefined && (
        <Banner
          tone="warn"
          action={
            <Button small onClick={props.onRetry}>
              Try again
            </Button>
          }
        >
          This is what was last known: {asProblem(error).detail}
        </Banner>
      )}
      <div className="table-box">
        <table
          ref={table}
          className="table"
          role="table"
          aria-label={props.what}
          aria-busy={rows === undefined}
        >
          <thead role="rowgroup">
            <tr role="row">
              {onChoose && (
                <th role="columnheader" scope="col" className="choose">
                  <input
                    type="checkbox"
                    aria-label="Select all rows of this page"
                    checked={allChosen}
                    ref={box => {
                      if (box) box.indeterminate = !allChosen && (chosen?.size ?? 0) > 0;
                    }}
                    onChange={() => onChoose(new Set(allChosen ? [] : all))}
                  />
                </th>
              )}
              {columns.map(column => (
                <th
                  key={column.id}
                  role="columnheader"
                  scope="col"
                  className={cellClass(column)}
                  style={column.width === undefined ? undefined : { width: column.width }}
                >
                  <span data-tip={column.about} className={column.about ? 'has-about' : undefined}>
                    {column.head === '' ? (
                      <span className="hidden-text">Actions</span>
                    ) : (
                      column.head
                    )}
                  </span>
                </th>
              ))}
            </tr>
          </thead>
          <tbody role="rowgroup">
            {rows === undefined
              ? skeleton(columns, onChoose !== undefined, props.skeletonRows ?? 8)
              : rows.map(row => {
                  const key = rowKey(row);
                  return (
                    <tr
                      key={key}
                      role="row"
                      className={rowClass(key, props)}
                      onClick={event => openRow(event, row)}
                    >
                      {onChoose && (
                        <td role="cell" className="choose">
                          <input
                            type="checkbox"
                            aria-label={`Select ${props.rowName?.(row) ?? key}`}
                            checked={chosen?.has(key) ?? false}
                            onChange={() => onChoose(toggled(chosen, key))}
                          />
                        </td>
                      )}
                      {columns.map(column => (
                        <td
                          key={column.id}
                          role="cell"
                          data-label={column.head}
                          className={cellClass(column)}
                        >
                          {column.primary && rowHref ? (
                            <AppLink to={rowHref(row)} exact className="row-link">
                              {column.cell(row)}
                            </AppLink>
                          ) : (
                            column.cell(row)
                          )}
                        </td>
                      ))}
                    </tr>
                  );
                })}
          </tbody>
        </table>
      </div>
    </>
  );
}

function useRowKeys<T>(table: { current: HTMLTableElement | null }, props: Props<T>): void {
  const { rows, rowKey, chosen, onChoose } = props;
  const on = (rows?.length ?? 0) > 0;
  const at = useRef(-1);
  useEffect(() => {
    at.current = -1;
  }, [rows?.length]);
  const links = () => [...(table.current?.querySelectorAll<HTMLElement>('a.row-link') ?? [])];
  const move = (by: number) => {
    const all = links();
    const focused = all.findIndex(link => link === document.activeElement);
    const open = rows?.findIndex(row => rowKey(row) === props.open) ?? -1;
    const from = focused >= 0 ? focused : open >= 0 ? open : at.current;
    at.current = Math.min(Math.max(from + by, 0), all.length - 1);
    const link = all[at.current];
    link?.focus({ preventScroll: true });
    link?.closest('tr')?.scrollIntoView({ block: 'nearest' });
    // With a row open beside the list, walking shows the next one there.
    if (props.open) link?.click();
  };
  useShortcut('j', () => move(1), on);
  useShortcut('k', () => move(-1), on);
  useShortcut(
    'x',
    () => {
      const index = links().findIndex(link => link === document.activeElement);
      const row = rows?.[index];
      if (row !== undefined) onChoose?.(toggled(chosen, rowKey(row)));
    },
    on && onChoose !== undefined,
  );
}

function toggled(chosen: ReadonlySet<string> | undefined, key: string): Set<string> {
  const next = new Set(chosen);
  if (!next.delete(key)) next.add(key);
  return next;
}

function rowClass<T>(key: string, { open, chosen, fresh, rowHref }: Props<T>): string {
  const classes = [rowHref && 'opens', key === open && 'open', chosen?.has(key) && 'chosen'];
  return [...classes, fresh?.has(key) && 'fresh'].filter(Boolean).join(' ');
}

function cellClass<T>(column: Column<T>): string {
  const classes = [
    column.align,
    column.phone === false && 'no-phone',
    column.fills && 'fills',
    column.from && `from-${column.from}`,
    column.primary && 'primary',
  ];
  return [...classes, column.head === '' && 'actions'].filter(Boolean).join(' ');
}

function skeleton<T>(columns: Column<T>[], choose: boolean, n: number): ReactNode {
  return Array.from({ length: n }, (_, row) => (
    <tr key={row} role="row">
      {choose && <td role="cell" className="choose" />}
      {columns.map((column, at) => (
        <td key={column.id} role="cell" className={cellClass(column)}>
          <Skeleton width={`${45 + ((row * 17 + at * 29) % 45)}%`} />
        </td>
      ))}
    </tr>
  ));
}
