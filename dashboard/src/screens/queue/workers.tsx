import type { UseQueryResult } from '@tanstack/react-query';
import type { Worker } from '../../api/types';
import { CodeBlock } from '../../ui/code';
import { count, plural } from '../../ui/format';
import { Id } from '../../ui/id';
import { State } from '../../ui/list-states';
import { Meter } from '../../ui/bars';
import { Panel } from '../../ui/page';
import { Pill } from '../../ui/status';
import { DataTable, type Column } from '../../ui/table';
import { Time } from '../../ui/time';

interface Props {
  query: UseQueryResult<{ data: Worker[] }>;
  /** Of the process that answers: a worker of another version is marked. */
  version: string | undefined;
  mode: 'embedded' | 'distributed' | undefined;
}

/** Every process that delivers. */
export function Workers({ query, version, mode }: Props) {
  const workers = query.data?.data;
  return (
    <Panel title="Workers" about={workers && summary(workers)} flush>
      <DataTable
        what="workers"
        columns={columns(version)}
        rows={workers && sorted(workers)}
        rowKey={worker => worker.id}
        error={query.error}
        onRetry={() => void query.refetch()}
        skeletonRows={mode === 'distributed' ? 4 : 1}
        empty={
          <State icon="warning" title="No worker is running">
            Events are accepted and wait. Start one, on any machine that reaches PostgreSQL and
            Redis:
            <CodeBlock text="postrider worker" copyLabel="Copy command" />
          </State>
        }
      />
    </Panel>
  );
}

function columns(version: string | undefined): Column<Worker>[] {
  return [
    { id: 'state', head: 'State', cell: worker => <StatePill worker={worker} />, width: '1%' },
    { id: 'id', head: 'Worker', primary: true, cell: worker => <Id id={worker.id} /> },
    {
      id: 'host',
      head: 'Host',
      about: 'The machine, and the id of the process on it.',
      cell: worker =>
        worker.host ? (
          <span className="break">
            {worker.host} {worker.pid > 0 && <span className="faint">pid {worker.pid}</span>}
          </span>
        ) : (
          <span className="faint">–</span>
        ),
    },
    {
      id: 'version',
      head: 'Version',
      cell: worker =>
        version === undefined || worker.version === version ? (
          worker.version
        ) : (
          <Pill
            tone="warn"
            icon="info"
            word={worker.version}
            tip={`What answers here is ${version}. That is in order while an upgrade is under way.`}
          />
        ),
    },
    {
      id: 'slots',
      head: 'Slots held',
      about: 'Deliveries under way at once, of as many as it may have (engine.slots).',
      cell: worker => (
        <span className="queue-slots">
          <Meter
            value={worker.held}
            max={worker.slots}
            label={`Slots held by ${worker.id.slice(-6)}`}
          />
          <span className="nowrap">
            {count(worker.held)} <span className="faint">of {count(worker.slots)}</span>
          </span>
        </span>
      ),
    },
    { id: 'started', head: 'Started', cell: worker => <Time at={worker.started_at} />, from: 'l' },
    { id: 'seen', head: 'Last seen', cell: worker => <Time at={worker.seen_at} /> },
  ];
}

function StatePill({ worker }: { worker: Worker }) {
  return worker.state === 'live' ? (
    <Pill tone="ok" icon="check" word="Live" tip="It says so every 10 s." />
  ) : (
    <Pill
      tone="bad"
      icon="warning"
      word="Lost"
      tip="It has said nothing for more than 35 s. What it held is sent by others once its leases end (engine.lease_ms)."
    />
  );
}

/** Lost ones first, since they want looking at, then by how much they hold. */
function sorted(workers: Worker[]): Worker[] {
  const rank = (worker: Worker) => (worker.state === 'lost' ? 0 : 1);
  return workers.toSorted((a, b) => rank(a) - rank(b) || b.held - a.held || (a.id < b.id ? -1 : 1));
}

function summary(workers: Worker[]): string {
  const lost = workers.filter(worker => worker.state === 'lost').length;
  const live = `${plural(workers.length - lost, 'live worker')}`;
  return lost === 0 ? live : `${live}, ${count(lost)} lost`;
}
