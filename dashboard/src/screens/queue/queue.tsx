import './queue.css';
import { useReadiness, useStats, useSystem, useWorkers } from '../../api/queries';
import { asProblem } from '../../api/problem';
import { useSession } from '../../api/session';
import type { System } from '../../api/types';
import { useRange } from '../../state/range';
import { Banner } from '../../ui/banner';
import { Button } from '../../ui/button';
import { plural } from '../../ui/format';
import { ErrorState, State } from '../../ui/list-states';
import { Page } from '../../ui/page';
import { Pill } from '../../ui/status';
import { Since } from '../../ui/time';
import { QueueCharts } from './charts';
import { Checks, worst } from './checks';
import { Dependencies } from './dependencies';
import { QueueTiles } from './tiles';
import { Workers } from './workers';

/** What does the work: how much waits, who works on it, and what all of it stands on. */
export default function Queue() {
  const { may } = useSession();
  if (may('operate')) return <Operator />;
  return may('look') ? <OfOneTenant /> : <Nothing />;
}

function Operator() {
  const range = useRange();
  const stats = useStats(range);
  const before = useStats(range, {}, true);
  const system = useSystem();
  const workers = useWorkers();
  const now = system.data;
  const retry = () => {
    void stats.refetch();
    void system.refetch();
    void workers.refetch();
  };
  const problem = system.error ?? stats.error;
  if (problem && now === undefined && stats.data === undefined) {
    return (
      <Page title="Queue and workers">
        <ErrorState problem={asProblem(problem)} onRetry={retry} />
      </Page>
    );
  }
  const state = now && worst(now.checks);
  // What wants doing stands first, what is in order last.
  const wrong = state !== undefined && !state.ok;
  return (
    <Page
      title="Queue and workers"
      beside={state && <Pill tone={state.tone} icon={state.icon} word={state.word} />}
      about={now && <Running system={now} />}
    >
      {problem && (
        <Banner
          tone="warn"
          action={
            <Button small onClick={retry}>
              Try again
            </Button>
          }
        >
          This is what was last known: {asProblem(problem).detail}
        </Banner>
      )}
      {wrong && <Checks checks={now?.checks} />}
      <QueueTiles
        system={now}
        stats={stats.data}
        before={before.data}
        workers={workers.data?.data}
        sliding={!range.fixed}
      />
      <QueueCharts stats={stats.data} />
      <Workers query={workers} version={now?.version} mode={now?.mode} />
      <Dependencies system={now} />
      {!wrong && <Checks checks={now?.checks} />}
    </Page>
  );
}

function Running({ system }: { system: System }) {
  return (
    <>
      {system.mode === 'embedded'
        ? 'Everything in one process'
        : 'Any number of processes, over PostgreSQL and Redis'}
      . The one that answers is version {system.version}
      {system.dev && ', started with --dev,'} and has run for <Since at={system.started_at} />.
    </>
  );
}

/** A tenant's key: what concerns all tenants is not shown, how fast its own goes is. */
function OfOneTenant() {
  const { session } = useSession();
  const range = useRange();
  const stats = useStats(range);
  const before = useStats(range, {}, true);
  const { data } = useReadiness();
  const state = data && worst(data.checks);
  return (
    <Page
      title="Queue and workers"
      beside={state && <Pill tone={state.tone} icon={state.icon} word={state.word} />}
      about={`The queue and its workers serve all tenants, and this key sees ${session?.tenant ?? 'one'}: how quickly its deliveries go.`}
    >
      {stats.error && stats.data === undefined ? (
        <ErrorState problem={asProblem(stats.error)} onRetry={() => void stats.refetch()} />
      ) : (
        <>
          <QueueTiles stats={stats.data} before={before.data} sliding={!range.fixed} ownOnly />
          <QueueCharts stats={stats.data} ownOnly />
        </>
      )}
      {state && !state.ok && (
        <Banner tone="warn">
          {plural(state.wrong, 'check')} of the installation {state.wrong === 1 ? 'is' : 'are'} not
          in order. Who runs it can see which.
        </Banner>
      )}
    </Page>
  );
}

function Nothing() {
  return (
    <Page title="Queue and workers">
      <State icon="lock" title="This key publishes, and sees nothing">
        A key of the role viewer or admin shows the queue, its workers and what they stand on.
      </State>
    </Page>
  );
}
