import type { Counts, Overview, Stats } from '../../api/types';
import { capped, count, duration, percent, shortCount } from '../../ui/format';
import { Tile } from '../../ui/tile';
import { attemptsTotal } from '../../ui/words';

interface Props {
  stats: Stats | undefined;
  before: Stats | undefined;
  overview: Overview | undefined;
}

export function OverviewTiles({ stats, before, overview }: Props) {
  const now = stats?.totals;
  const then = before?.totals;
  const over = (pick: (counts: Counts) => number | null) => stats?.buckets.map(pick);
  const of = (
    pick: (counts: Counts) => number | null,
    more: 'good' | 'bad' | 'neutral',
    points = false,
  ) => now && { now: pick(now), before: then && pick(then), more, points };
  const value = (pick: (counts: Counts) => number | null, format: (value: number) => string) =>
    now && shown(pick(now), format);
  const queue = overview?.queue;
  const webhooks = overview?.webhooks;

  return (
    <div className="overview-tiles-box">
      <div className="overview-tiles">
        <Tile
          label="Events accepted"
          about="Events answered 202: on disk and on their way."
          value={value(accepted, shortCount)}
          delta={of(accepted, 'neutral')}
          spark={over(accepted)}
          to="/events"
        />
        <Tile
          label="Attempts"
          about="Requests sent to receivers, first tries and retries."
          value={value(attempts, shortCount)}
          delta={of(attempts, 'neutral')}
          spark={over(attempts)}
          to="/deliveries"
        />
        <Tile
          label="First try succeeded"
          about="Of the deliveries whose first attempt was made, how many were taken at once."
          value={value(firstTry, percent)}
          delta={of(firstTry, 'good', true)}
          spark={over(firstTry)}
          color="--chart-ok"
        />
        <Tile
          label="Delivered eventually"
          about="Of the deliveries that ended as delivered or failed, how many were delivered."
          value={value(eventual, percent)}
          delta={of(eventual, 'good', true)}
          spark={over(eventual)}
          color="--chart-ok"
          to="/deliveries?view=failed"
        />
        <Tile
          label="Median latency"
          about="Half of the deliveries took less, from accepting the event to the 2xx."
          value={value(p50, duration)}
          delta={of(p50, 'bad')}
          spark={over(p50)}
        />
        <Tile
          label="p95 latency"
          about="95 of 100 deliveries took less, from accepting the event to the 2xx."
          value={value(p95, duration)}
          delta={of(p95, 'bad')}
          spark={over(p95)}
        />
        <Tile
          label="Backlog"
          about="Deliveries that have not ended: waiting for their turn, for their next attempt or for a paused webhook, or being sent."
          value={queue && capped(queue.waiting, queue.waiting_capped)}
          note={queue?.sending == null ? undefined : `${count(queue.sending)} being sent`}
          spark={over(inQueue)}
          color="--chart-b"
          to="/queue"
        />
        <Tile
          label="Waiting longest"
          about="How long the delivery has waited that could be sent now and has waited longest. What waits for a place of its webhook or for its next attempt is not in it."
          value={queue && shown(queue.oldest_waiting_ms, waited)}
          note={queue?.oldest_waiting_ms == null ? undefined : 'ready to send'}
          spark={over(counts => counts.oldest_waiting_ms)}
          color="--chart-b"
          to="/queue"
        />
        <Tile
          label="Retrying"
          about="Deliveries that failed and will be tried again."
          value={queue && capped(queue.retrying, queue.retrying_capped)}
          to="/deliveries?view=retrying"
          note="now"
        />
        <Tile
          label="Webhooks in trouble"
          about="Disabled ones and those whose last attempts all failed."
          value={webhooks && count(webhooks.disabled + webhooks.failing)}
          note={
            webhooks &&
            `${count(webhooks.failing)} failing, ${count(webhooks.disabled)} disabled of ${count(webhooks.active + webhooks.paused + webhooks.disabled)}`
          }
          to="/webhooks"
        />
      </div>
    </div>
  );
}

const accepted = (counts: Counts) => counts.accepted;
const attempts = (counts: Counts) => attemptsTotal(counts.attempts);
const firstTry = (counts: Counts) => ratio(counts.first_successes, counts.first_tries);
const eventual = (counts: Counts) => ratio(counts.delivered, counts.delivered + counts.failed);
const p50 = (counts: Counts) => counts.latency_ms.p50;
const p95 = (counts: Counts) => counts.latency_ms.p95;
const inQueue = (counts: Counts) =>
  counts.waiting === null && counts.sending === null
    ? null
    : (counts.waiting ?? 0) + (counts.sending ?? 0);

function ratio(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}

function shown(value: number | null, format: (value: number) => string): string {
  return value === null ? '–' : format(value);
}

function waited(ms: number): string {
  return ms === 0 ? 'none' : duration(ms);
}
