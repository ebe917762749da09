import './deliveries.css';
import { useEffect, useMemo, useState } from 'react';
import { usePage, useRetentionDays } from '../../api/queries';
import { useSession } from '../../api/session';
import type { Delivery } from '../../api/types';
import { useScrolled } from '../../state/scrolled';
import { useUrlState } from '../../state/url';
import { Button } from '../../ui/button';
import { FollowButton, NewRows } from '../../ui/follow';
import { plural } from '../../ui/format';
import { State } from '../../ui/list-states';
import { Pager, usePager } from '../../ui/pager';
import { DataTable } from '../../ui/table';
import { Segments } from '../../ui/tabs';
import { Time } from '../../ui/time';
import { deliveryColumns } from './columns';
import { DeliveryDrawer } from './delivery-drawer';
import { EmptyDeliveries } from './empty';
import { asQuery, statuses, useListFilter, VIEWS, type Scope } from './filter';
import { clearPatch, DeliveryFilters } from './filters';
import { SelectionBar } from './selection-bar';
import { useTail } from './tail';

const NONE: Delivery[] = [];

/**
 * The list of deliveries with all that belongs to it: views, filters, live tail, selection, drawer.
 * `scope` binds it to a webhook or an event, on whose page it then stands.
 */
export function DeliveryList({ scope = {} }: { scope?: Scope }) {
  const url = useUrlState();
  const { session, may } = useSession();
  const { cursor, rows: limit } = usePager();
  const list = useListFilter(scope);
  const { filter } = list;
  const [frozen, setFrozen] = useState(false);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const scrolled = useScrolled();
  const open = url.get('open');
  const first = cursor === undefined && filter.until === undefined;

  const [live, setLive] = useState(false);
  const poll = frozen ? false : live ? 60_000 : undefined;
  const query = usePage<Delivery>(
    '/v1/deliveries',
    { ...asQuery(filter), limit, cursor },
    { poll },
  );
  const page = query.data;
  const tail = useTail({
    rows: page?.data,
    limit,
    answeredAt: query.dataUpdatedAt,
    asking: query.isFetching,
    ask: () => {
      if (!frozen) void query.refetch();
    },
    complete: page?.next_cursor === null,
    filter,
    on: first && !frozen,
    frozen: first && frozen,
    hold: scrolled || open !== null || chosen.size > 0,
  });
  useEffect(() => setLive(tail.live), [tail.live]);
  const asked = url.get('status');
  useEffect(() => {
    const known = statuses(asked)?.join(',') ?? null;
    if (known !== asked) url.set({ status: known });
  }, [asked]);
  const filterKey = JSON.stringify([filter, cursor]);
  useEffect(() => setChosen(new Set()), [filterKey]);

  const rows = query.isPlaceholderData && tail.rows?.length === 0 ? undefined : tail.rows;
  useEffect(() => {
    // What is not on the page any more is not chosen either.
    const there = new Set(rows?.map(row => row.id));
    if (rows !== undefined && [...chosen].some(id => !there.has(id))) {
      setChosen(new Set([...chosen].filter(id => there.has(id))));
    }
  }, [rows, chosen]);
  const columns = useMemo(
    () =>
      deliveryColumns({
        webhook: scope.webhook_id === undefined,
        event: scope.event_id === undefined,
        tenant: session?.tenant === null && filter.tenant === undefined,
      }),
    [scope.webhook_id, scope.event_id, session, filter.tenant],
  );
  const next = page?.next_cursor;
  const farther = rows?.length === 0 && next;
  return (
    <>
      <div className="stack deliveries">
        <div className="list-bar">
          <Segments
            label="Saved views"
            value={list.view}
            onChange={view =>
              url.set(
                { view: view === 'all' ? null : view, status: null, cursor: null, from: null },
                { push: true },
              )
            }
            options={VIEWS.map(({ id, label, about }) => ({ id, label, tip: about }))}
          />
          {first && (
            <FollowButton
              frozen={frozen}
              onChange={to => {
                setFrozen(to);
                if (!to) void query.refetch();
              }}
            />
          )}
        </div>
        <DeliveryFilters list={list} scope={scope} />
        {chosen.size > 0 && (
          <SelectionBar
            chosen={(rows ?? NONE).filter(row => chosen.has(row.id))}
            offersAll={chosen.size === rows?.length && Boolean(next)}
            filter={filter}
            onClear={() => setChosen(new Set())}
          />
        )}
        <NewRows n={tail.waiting} onShow={tail.show} />
        {farther ? (
          <State
            icon="search"
            title="Nothing found yet"
            action={
              <Button onClick={() => url.set({ cursor: next, from: list.since ?? null })}>
                Search farther back
              </Button>
            }
          >
            {page.looked_until ? (
              <>
                Searched back to <Time at={page.looked_until} as="full" />.
              </>
            ) : (
              'The search stops after a while, so that it does not hold up deliveries.'
            )}
          </State>
        ) : (
          <DataTable
            what="deliveries"
            columns={columns}
            rows={rows}
            rowKey={row => row.id}
            rowHref={row => url.href({ open: row.id })}
            rowName={row => `the delivery of ${row.event_type}, ${row.id}`}
            open={open}
            chosen={chosen}
            onChoose={may('manage') ? setChosen : undefined}
            fresh={tail.fresh}
            error={query.error}
            onRetry={() => void query.refetch()}
            filtered={list.narrowed || list.view !== 'all'}
            onClear={() => url.set({ ...clearPatch(), view: null })}
            empty={
              <EmptyDeliveries
                scoped={scope.webhook_id !== undefined || scope.event_id !== undefined}
              />
            }
          />
        )}
        {(rows?.length ?? 0) > 0 && (
          <Pager
            next={next}
            since={list.since}
            note={<Note n={rows?.length ?? 0} until={page?.looked_until} last={!next} />}
          />
        )}
      </div>
      {open !== null && <DeliveryDrawer id={open} onClose={() => url.set({ open: null })} />}
    </>
  );
}

function Note(props: { n: number; until: string | null | undefined; last: boolean }) {
  const { n, until, last } = props;
  const days = useRetentionDays();
  return (
    <>
      {plural(n, 'delivery', 'deliveries')} on this page
      {until && (
        <>
          , searched back to <Time at={until} as="clock" />
        </>
      )}
      {last && days !== undefined && `, kept for ${plural(days, 'day')}`}
    </>
  );
}
