import type { ReactNode } from 'react';
import type { System } from '../../api/types';
import { bytes, count, duration } from '../../ui/format';
import { Skeleton } from '../../ui/list-states';
import { Facts } from '../../ui/page';
import { Pill } from '../../ui/status';
import { Time } from '../../ui/time';

const KINDS: Record<string, string> = {
  sqlite: 'SQLite, embedded',
  postgresql: 'PostgreSQL',
  memory: 'In the process',
  redis: 'Redis',
};

/** Above it a clock is a nuisance, and /readyz says so. */
const SKEW_MAX_MS = 5_000;

/** What it stands on: the store, the queue, the clock, the process. */
export function Dependencies({ system }: { system: System | undefined }) {
  if (system === undefined) {
    return (
      <div className="queue-cards">
        {['Store', 'Queue', 'Clock', 'Process'].map(title => (
          <Card key={title} title={title}>
            <Skeleton width="100%" height={96} />
          </Card>
        ))}
      </div>
    );
  }
  const { store, queue, clock_skew_ms: skew } = system;
  return (
    <div className="queue-cards">
      <Card title="Store" state={<Answers ok={store.ok} />}>
        <Facts
          of={[
            ['Kind', KINDS[store.kind] ?? store.kind],
            ['Answered in', known(store.latency_ms, latency)],
            ['Size', known(store.size_bytes, bytes)],
          ]}
        />
      </Card>
      <Card title="Queue" state={<QueueState queue={queue} />}>
        <Facts
          of={[
            ['Kind', KINDS[queue.kind] ?? queue.kind],
            ['Answered in', known(queue.latency_ms, latency)],
            ['Lanes', known(queue.lanes, count)],
            ...(queue.kind === 'redis'
              ? [['When full', <Eviction key="evicts" queue={queue} />] as [string, ReactNode]]
              : []),
          ]}
        />
      </Card>
      <Card
        title="Clock"
        state={
          skew > SKEW_MAX_MS ? (
            <Pill tone="warn" icon="warning" word="Off" />
          ) : (
            <Pill tone="ok" icon="check" word="In time" />
          )
        }
      >
        <Facts
          of={[
            ['From the queue’s', queue.ok ? latency(skew) : 'not known'],
            ['Allowed', `up to ${duration(SKEW_MAX_MS)}`],
            ['Now', <Time key="now" at={system.now} as="full" />],
          ]}
        />
      </Card>
      <Card
        title="Process"
        state={
          system.dev ? (
            <Pill
              tone="warn"
              icon="info"
              word="dev"
              tip="Started with --dev: not for production."
            />
          ) : undefined
        }
      >
        <Facts
          of={[
            ['Version', system.version],
            ['Mode', system.mode === 'embedded' ? 'Embedded' : 'Distributed'],
            ['Started', <Time key="started" at={system.started_at} />],
          ]}
        />
      </Card>
    </div>
  );
}

function Card({
  title,
  state,
  children,
}: {
  title: string;
  state?: ReactNode;
  children: ReactNode;
}) {
  return (
    <section className="panel queue-card" aria-label={title}>
      <header className="row">
        <h2 className="grow">{title}</h2>
        {state}
      </header>
      {children}
    </section>
  );
}

function Answers({ ok }: { ok: boolean }) {
  return ok ? (
    <Pill tone="ok" icon="check" word="Answers" />
  ) : (
    <Pill tone="bad" icon="stop" word="Does not answer" />
  );
}

function QueueState({ queue }: { queue: System['queue'] }) {
  if (queue.ok && queue.evicts !== null) {
    return <Pill tone="warn" icon="warning" word="May forget" />;
  }
  return <Answers ok={queue.ok} />;
}

function Eviction({ queue }: { queue: System['queue'] }) {
  if (!queue.ok) return <span className="faint">not known</span>;
  if (queue.evicts === null) return 'forgets nothing';
  return (
    <>
      forgets: <code>{queue.evicts}</code>
    </>
  );
}

function known(value: number | null, format: (value: number) => string): ReactNode {
  return value === null ? <span className="faint">not known</span> : format(value);
}

/** A queue in the process answers in microseconds, and that is not nothing. */
function latency(ms: number): string {
  return ms < 0.1 ? '<0.1 ms' : duration(ms);
}
