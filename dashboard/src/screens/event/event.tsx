import './event.css';
import { asProblem } from '../../api/problem';
import { useTenant } from '../../api/queries';
import { useSession } from '../../api/session';
import { useUrlState } from '../../state/url';
import { Id } from '../../ui/id';
import { JsonViewer } from '../../ui/json';
import { LinkButton } from '../../ui/link';
import { ErrorState, Skeleton, State } from '../../ui/list-states';
import { Facts, Page, Panel } from '../../ui/page';
import { Time } from '../../ui/time';
import { bytes } from '../../ui/format';
import { EventDeliveries } from './deliveries';
import { NoDeliveries } from './no-deliveries';
import { OpenDelivery } from './open-delivery';
import { useEvent, type LoadedEvent } from './use-event';

/** An event: what was published, who got it, and for one delivery how each attempt went. */
export default function Event({ id }: { id: string }) {
  const url = useUrlState();
  const { may } = useSession();
  const open = url.get('open');
  const query = useEvent(id, open);
  const event = query.data;

  if (event === undefined) {
    return (
      <Page title="Event" about={<Id id={id} full />}>
        {query.error ? <NotLoaded id={id} query={query} /> : <Loading />}
      </Page>
    );
  }
  const shown = chosen(event, open);
  return (
    <Page
      title={event.type}
      about={
        <>
          Accepted <Time at={event.accepted_at} />
        </>
      }
      actions={
        may('publish') && (
          <LinkButton to={`/events?publish=${event.uid}`}>Publish a copy…</LinkButton>
        )
      }
    >
      <div className="event-columns">
        <Panel title="Event" className="event-card">
          <EventFacts event={event} />
        </Panel>
        <div className="event-right stack">
          {event.deliveries.length === 0 ? (
            <Panel title="Deliveries">
              <NoDeliveries event={event} />
            </Panel>
          ) : (
            <>
              <EventDeliveries event={event} open={shown?.id ?? null} query={query} />
              {shown !== null && <OpenDelivery key={shown.id} id={shown.id} />}
            </>
          )}
        </div>
        <section className="event-payload" aria-label="Data">
          <JsonViewer text={event.raw} title="Data" />
        </section>
      </div>
    </Page>
  );
}

/** The one that is asked for; else the one that most likely brought somebody here. */
function chosen(event: LoadedEvent, open: string | null) {
  const { deliveries } = event;
  const order = ['failed', 'retrying', 'pending'] as const;
  return (
    deliveries.find(delivery => delivery.id === open) ??
    order
      .map(status => deliveries.find(delivery => delivery.status === status))
      .find(delivery => delivery !== undefined) ??
    deliveries[0] ??
    null
  );
}

function EventFacts({ event }: { event: LoadedEvent }) {
  const facts: [string, React.ReactNode][] = [
    ['Type', <span className="mono break">{event.type}</span>],
    ['Id', <Id id={event.id} full={event.id.length < 40} />],
  ];
  if (event.uid !== event.id) facts.push(['Uid', <Id id={event.uid} />]);
  facts.push(['Tenant', event.tenant], ['Accepted', <Time at={event.accepted_at} as="full" />]);
  if (Date.parse(event.timestamp) !== Date.parse(event.accepted_at)) {
    facts.push(['Happened', <Happened at={event.timestamp} />]);
  }
  facts.push(['Size', `${bytes(event.size_bytes)} of data`]);
  return <Facts of={facts} />;
}

/** As its publisher wrote it: with the zone that was meant. */
function Happened({ at }: { at: string }) {
  return (
    <time dateTime={at} data-tip="As its publisher wrote it">
      {at.replace('T', ' ').replace('Z', ' UTC')}
    </time>
  );
}

function NotLoaded({ id, query }: { id: string; query: ReturnType<typeof useEvent> }) {
  const tenant = useTenant();
  const problem = asProblem(query.error);
  if (problem.status !== 404) {
    return <ErrorState problem={problem} onRetry={() => void query.refetch()} />;
  }
  return (
    <State
      icon="search"
      title="There is no such event"
      action={<LinkButton to="/events">All events</LinkButton>}
    >
      {id.startsWith('evt_')
        ? 'It was never accepted here, or it is past the time for which events are kept.'
        : `The tenant ${tenant ?? 'default'} has no event of this id. Ids that publishers choose belong to a tenant: choose it in the header.`}
    </State>
  );
}

function Loading() {
  return (
    <div className="event-columns" aria-label="Loading" role="status">
      <Panel className="event-card">
        <Skeleton width="100%" height={180} />
      </Panel>
      <div className="event-right">
        <Skeleton width="100%" height={320} />
      </div>
    </div>
  );
}
