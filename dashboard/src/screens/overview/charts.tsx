import { useMemo } from 'react';
import { useTenant } from '../../api/queries';
import type { Counts, Stats } from '../../api/types';
import { rangePatch } from '../../state/range';
import { useUrlState } from '../../state/url';
import { Chart, type Series } from '../../ui/chart';
import { duration, shortCount } from '../../ui/format';
import { ChartSkeleton } from '../../ui/list-states';
import { Panel } from '../../ui/page';
import { OUTCOMES } from '../../ui/words';

/** Lazily loaded: what draws on canvases is the largest part of the screen. */
export default function OverviewCharts({ stats }: { stats: Stats | undefined }) {
  const url = useUrlState();
  const tenant = useTenant();
  const at = useMemo(() => stats?.buckets.map(bucket => Date.parse(bucket.at)) ?? [], [stats]);
  const attempts = useMemo(() => outcomes(stats), [stats]);
  const latency = useMemo(
    () => [
      line(stats, 'p50', 'p50', '--chart-a', counts => counts.latency_ms.p50),
      line(stats, 'p95', 'p95', '--chart-b', counts => counts.latency_ms.p95),
      line(stats, 'p99', 'p99', '--chart-c', counts => counts.latency_ms.p99),
    ],
    [stats],
  );
  const backlog = useMemo(
    () => [
      line(stats, 'sending', 'Being sent', '--chart-ok', counts => counts.sending),
      line(stats, 'waiting', 'Queued', '--chart-b', counts => counts.waiting),
    ],
    [stats],
  );
  const onRange = (since: number, until: number) =>
    url.set(rangePatch(since, until), { push: true });
  const shared = { at, intervalMs: stats?.interval_ms ?? 60_000, onRange };
  const hasGauges = backlog.some(series => series.values.some(value => value !== null));

  return (
    <div className="overview-charts">
      <Panel
        title="Attempts"
        about="by what came back; drag to zoom in"
        className="overview-attempts"
      >
        {stats ? (
          <Chart
            kind="bars"
            label="Attempts by what came back"
            series={attempts}
            format={shortCount}
            {...shared}
          />
        ) : (
          <ChartSkeleton />
        )}
      </Panel>
      <Panel title="Latency" about="from accepted to delivered">
        {stats ? (
          <Chart
            kind="lines"
            label="Latency from accepted to delivered"
            series={latency}
            format={duration}
            {...shared}
          />
        ) : (
          <ChartSkeleton />
        )}
      </Panel>
      <Panel title="Backlog" about="what is queued, due now or later, and what is being sent">
        {stats && !hasGauges ? (
          <p className="muted overview-none">
            {tenant === undefined
              ? 'Not looked at in this time.'
              : 'Only known for all tenants together.'}
          </p>
        ) : stats ? (
          <Chart kind="area" label="Backlog" series={backlog} format={shortCount} {...shared} />
        ) : (
          <ChartSkeleton />
        )}
      </Panel>
    </div>
  );
}

function outcomes(stats: Stats | undefined): Series[] {
  const all = OUTCOMES.map(({ id, label, color }) =>
    line(stats, id, label, color, counts => counts.attempts[id]),
  );
  // Legends of what never happened are noise; 2xx stands there even then.
  return all.filter(series => series.id === 'success' || series.values.some(value => value));
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
