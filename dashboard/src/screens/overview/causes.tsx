import type { Cause } from '../../api/types';
import { useRange } from '../../state/range';
import { useHref } from '../../state/url';
import { count } from '../../ui/format';
import { State } from '../../ui/list-states';
import { Panel } from '../../ui/page';
import { Answer } from '../../ui/status';
import { DataTable, type Column } from '../../ui/table';
import { Time } from '../../ui/time';

interface Props {
  rows: Cause[] | undefined;
  error: unknown;
  onRetry(): void;
}

const COLUMNS: Column<Cause>[] = [
  {
    id: 'cause',
    head: 'Cause',
    primary: true,
    about:
      'Leads to deliveries accepted in this time range whose last answer it was. Those that were answered otherwise since are not among them.',
    width: '40%',
    cell: row =>
      row.kind === 'status' ? (
        <Answer status={Number(row.cause)} error={null} />
      ) : (
        <Answer status={null} error={row.cause} />
      ),
  },
  { id: 'count', head: 'Attempts', align: 'end', cell: row => count(row.count) },
  {
    id: 'webhooks',
    head: 'Failing now',
    about: 'Webhooks whose last attempt failed this way',
    align: 'end',
    cell: row => count(row.webhooks),
  },
  { id: 'first', head: 'First', align: 'end', cell: row => <Time at={row.first_at} /> },
  { id: 'last', head: 'Last', align: 'end', cell: row => <Time at={row.last_at} /> },
];

/** Failed attempts of the range by what they came to; each leads to its deliveries. */
export function CausesTable({ rows, error, onRetry }: Props) {
  const href = useHref();
  const range = useRange();
  // The list of deliveries has no range of its own, so that of the overview is said, even its default.
  const within = range.fixed ? '' : `&range=${range.key}`;
  return (
    <Panel title="Failures by cause" about="in this time range" flush>
      <DataTable
        what="causes"
        columns={COLUMNS}
        rows={rows}
        rowKey={row => row.cause}
        rowHref={row => href(`/deliveries?answer=${encodeURIComponent(row.cause)}${within}`)}
        error={error}
        onRetry={onRetry}
        skeletonRows={3}
        empty={
          <State icon="check" title="None">
            Every attempt in this time range was answered with 2xx, or there was none.
          </State>
        }
      />
    </Panel>
  );
}
