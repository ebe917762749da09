import './events.css';
import { useMemo } from 'react';
import { useSession } from '../../api/session';
import { useHref, useUrlState } from '../../state/url';
import { FollowButton, NewRows } from '../../ui/follow';
import { plural } from '../../ui/format';
import { State } from '../../ui/list-states';
import { LinkButton } from '../../ui/link';
import { Page } from '../../ui/page';
import { Pager } from '../../ui/pager';
import { DataTable } from '../../ui/table';
import { eventColumns } from './columns';
import { EmptyEvents } from './empty';
import { EventFilters } from './filters';
import { FindEvent } from './find-event';
import { PublishDialog } from './publish-dialog';
import { useEvents } from './use-events';

/** What happened, newest first; the first page follows live. */
export default function Events() {
  const url = useUrlState();
  const { may } = useSession();
  const publish = url.get('publish');
  const id = url.get('id');
  const clear = () =>
    url.set({
      ...{ type: null, id: null, tenant: null, range: null, since: null, until: null },
      ...{ cursor: null, from: null },
    });
  return (
    <Page
      title="Events"
      about="What happened, as it was published"
      actions={
        may('publish') && (
          <LinkButton look="primary" icon="plus" exact to={url.href({ publish: 1 })}>
            Publish event
          </LinkButton>
        )
      }
    >
      {!may('look') ? (
        <State icon="lock" title="This key publishes only">
          It may publish events, and may not look at those that were.
        </State>
      ) : id !== null ? (
        <>
          <EventFilters filtered onClear={clear} />
          <FindEvent key={id} id={id} onClear={() => url.set({ id: null })} />
        </>
      ) : (
        <EventList onClear={clear} />
      )}
      {publish !== null && may('publish') && (
        <PublishDialog
          copyOf={publish === '1' ? null : publish}
          onClose={() => url.set({ publish: null })}
        />
      )}
    </Page>
  );
}

function EventList({ onClear }: { onClear(): void }) {
  const href = useHref();
  const { session } = useSession();
  const tenantChosen = useUrlState().get('tenant') !== null;
  const events = useEvents();
  const { rows, query } = events;
  const several =
    session?.tenant === null &&
    !tenantChosen &&
    (rows?.some(event => event.tenant !== 'default') ?? false);
  const columns = useMemo(() => eventColumns(several), [several]);
  return (
    <>
      <div className="list-bar events-bar">
        <EventFilters filtered={events.filtered} onClear={onClear} />
        {events.followable && <FollowButton frozen={events.frozen} onChange={events.setFrozen} />}
      </div>
      <NewRows n={events.waiting} capped={events.waitingCapped} onShow={events.show} />
      <DataTable
        what="events"
        columns={columns}
        rows={rows}
        rowKey={event => event.uid}
        rowHref={event => href(`/events/${event.uid}`)}
        fresh={events.fresh}
        error={query.error}
        onRetry={() => void query.refetch()}
        filtered={events.filtered}
        onClear={onClear}
        empty={<EmptyEvents />}
      />
      {(rows?.length ?? 0) > 0 && (
        <Pager
          next={events.next}
          since={events.since}
          note={`${plural(rows?.length ?? 0, 'event')} on this page`}
        />
      )}
    </>
  );
}
