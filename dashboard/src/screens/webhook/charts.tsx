import { useMemo } from 'react';
import type { Counts, Stats } from '../../api/types';
import { rangePatch } from '../../state/range';
import { useUrlState } from '../../state/url';
import { Chart, type ChartProps, type Series } from '../../ui/chart';
import { duration, percent, shortCount } from '../../ui/format';
import { ChartSkeleton } from '../../ui/list-states';
import { Panel } from '../../ui/page';
import { attemptsTotal, OUTCOMES } from '../../ui/words';

/** Lazily loaded: what draws on canvases is the largest part of the screen. */
export default function WebhookCharts({ stats }: { stats: Stats | undefined }) {
  const url = useUrlState();
  const at = useMemo(() => stats?.buckets.map(bucket => Date.parse(bucket.at)) ?? [], [stats]);
  const attempts = useMemo(() => outcomes(stats), [stats]);
  const answer = useMemo(() => quantiles(stats, counts => counts.duration_ms), [stats]);
  const latency = useMemo(() => quantiles(stats, counts => counts.latency_ms), [stats]);
  const errors = useMemo(
    () => [line(stats, 'errors', 'Attempts not answered 2xx', '--chart-server', errorRate)],
    [stats],
  );
  const chart = (props: Pick<ChartProps, 'kind' | 'label' | 'series' | 'format' | 'max'>) =>
    stats === undefined ? (
      <ChartSkeleton />
    ) : (
      <Chart
        at={at}
        intervalMs={stats.interval_ms}
        onRange={(since, until) => url.set(rangePatch(since, until), { push: true })}
        {...props}
      />
    );
  return (
    <div className="webhook-charts">
      <Panel title="Attempts" about="by what came back; drag to zoom in">
        {chart({
          kind: 'bars',
          label: 'Attempts by what came back',
          series: attempts,
          format: shortCount,
        })}
      </Panel>
      <Panel title="Error rate" about="of attempts">
        {chart({ kind: 'lines', label: 'Error rate', series: errors, format: percent, max: 1 })}
      </Panel>
      <Panel title="Answer time" about="of attempts">
        {chart({ kind: 'lines', label: 'Answer time', series: answer, format: duration })}
      </Panel>
      <Panel title="Latency" about="from accepted to delivered">
        {chart({
          kind: 'lines',
          label: 'Latency from accepted to delivered',
          series: latency,
          format: duration,
        })}
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

function quantiles(
  stats: Stats | undefined,
  of: (counts: Counts) => Counts['duration_ms'],
): Series[] {
  return [
    line(stats, 'p50', 'p50', '--chart-a', counts => of(counts).p50),
    line(stats, 'p95', 'p95', '--chart-b', counts => of(counts).p95),
    line(stats, 'p99', 'p99', '--chart-c', counts => of(counts).p99),
  ];
}

function errorRate({ attempts }: Counts): number | null {
  const all = attemptsTotal(attempts);
  return all === 0 ? null : 1 - attempts.success / all;
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
