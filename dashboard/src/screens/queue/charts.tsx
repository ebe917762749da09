import { useMemo } from 'react';
import type { Counts, Stats } from '../../api/types';
import { rangePatch } from '../../state/range';
import { useUrlState } from '../../state/url';
import { Chart, type Series } from '../../ui/chart';
import { duration, shortCount } from '../../ui/format';
import { ChartSkeleton } from '../../ui/list-states';
import { Panel } from '../../ui/page';
import { attemptsTotal } from '../../ui/words';
import { ended, perMinute, rate } from './rates';

/** What is queued, its age and the throughput over the range of the header. */
export function QueueCharts({ stats, ownOnly }: { stats: Stats | undefined; ownOnly?: boolean }) {
  const url = useUrlState();
  const at = useMemo(() => stats?.buckets.map(bucket => Date.parse(bucket.at)) ?? [], [stats]);
  const throughput = useMemo(
    () => [
      perMinuteLine(stats, 'made', 'Made', '--chart-b', counts => counts.made),
      perMinuteLine(stats, 'attempts', 'Attempts', '--chart-a', counts =>
        attemptsTotal(counts.attempts),
      ),
      perMinuteLine(stats, 'ended', 'Ended', '--chart-ok', ended),
    ],
    [stats],
  );
  const depth = useMemo(
    () => [
      line(stats, 'sending', 'Being sent', '--chart-a', counts => counts.sending),
      line(stats, 'waiting', 'Queued', '--chart-b', counts => counts.waiting),
    ],
    [stats],
  );
  const age = useMemo(
    () => [line(stats, 'age', 'Oldest', '--chart-b', counts => counts.oldest_waiting_ms)],
    [stats],
  );
  const shared = {
    at,
    intervalMs: stats?.interval_ms ?? 60_000,
    onRange: (since: number, until: number) => url.set(rangePatch(since, until), { push: true }),
  };
  const tenant = url.get('tenant');
  const gauges = [...depth, ...age].some(one => one.values.some(value => value !== null));

  return (
    <div className="queue-charts">
      <Panel
        title="Throughput"
        about={`deliveries a minute${tenant && !ownOnly ? `, of ${tenant}` : ''}; drag to zoom in`}
        className="queue-throughput"
      >
        {stats ? (
          <Chart
            kind="lines"
            label="Throughput, per minute"
            series={throughput}
            format={rate}
            {...shared}
          />
        ) : (
          <ChartSkeleton />
        )}
      </Panel>
      {!ownOnly && (
        <>
          <Panel title="Queued" about="what is queued, due now or later, and what is being sent">
            {stats && !gauges ? (
              <NotOfOne tenant={tenant} />
            ) : stats ? (
              <Chart kind="area" label="Queued" series={depth} format={shortCount} {...shared} />
            ) : (
              <ChartSkeleton />
            )}
          </Panel>
          <Panel title="Waiting longest" about="of what could be sent now">
            {stats && !gauges ? (
              <NotOfOne tenant={tenant} />
            ) : stats ? (
              <Chart
                kind="lines"
                label="Waiting longest"
                series={age}
                format={duration}
                {...shared}
              />
            ) : (
              <ChartSkeleton />
            )}
          </Panel>
        </>
      )}
    </div>
  );
}

function NotOfOne({ tenant }: { tenant: string | null }) {
  return (
    <p className="muted queue-none">
      {tenant === null
        ? 'Nothing was measured in this time.'
        : `Only known for all tenants together, not for ${tenant}.`}
    </p>
  );
}

function line(
  stats: Stats | undefined,
  id: string,
  label: string,
  color: string,
  pick: (counts: Counts) => number | null,
): Series {
  return { id, label, color, values: stats?.buckets.map(pick) ?? [] };
}

function perMinuteLine(
  stats: Stats | undefined,
  id: string,
  label: string,
  color: string,
  pick: (counts: Counts) => number | null,
): Series {
  return { id, label, color, values: perMinute(stats, pick).values };
}
