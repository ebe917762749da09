import type { Counts, Stats, Webhook, WebhookStats } from '../../api/types';
import { capped, count, duration, percent, shortCount } from '../../ui/format';
import { Tile } from '../../ui/tile';
import { Since } from '../../ui/time';
import { attemptsTotal } from '../../ui/words';

interface Props {
  webhook: Webhook;
  stats: Stats | undefined;
  before: Stats | undefined;
  /** How it stands now, whatever the range. */
  now: WebhookStats | undefined;
}

type Pick = (counts: Counts) => number | null;

export function WebhookTiles({ webhook, stats, before, now }: Props) {
  const totals = stats?.totals;
  const over = (pick: Pick) => stats?.buckets.map(pick);
  const value = (pick: Pick, format: (value: number) => string) => {
    if (totals === undefined) return undefined;
    const known = pick(totals);
    return known === null ? '–' : format(known);
  };
  const of = (pick: Pick, more: 'good' | 'bad' | 'neutral', points = false) =>
    totals && { now: pick(totals), before: before && pick(before.totals), more, points };
  const deliveries = `/webhooks/${webhook.id}?tab=deliveries`;
  return (
    <div className="webhook-tiles-box">
      <div className="webhook-tiles">
        <Tile
          label="Attempts"
          about="Requests sent, first tries and retries."
          value={value(attempts, shortCount)}
          delta={of(attempts, 'neutral')}
          spark={over(attempts)}
          to={deliveries}
        />
        <Tile
          label="Attempts answered 2xx"
          about="Of all attempts, how many the receiver took."
          value={value(success, percent)}
          delta={of(success, 'good', true)}
          spark={over(success)}
          color="--chart-ok"
        />
        <Tile
          label="Delivered eventually"
          about="Of the deliveries that ended as delivered or failed, how many were delivered."
          value={value(eventual, percent)}
          delta={of(eventual, 'good', true)}
          spark={over(eventual)}
          color="--chart-ok"
          note={totals && totals.failed > 0 && `${count(totals.failed)} failed`}
          to={`${deliveries}&view=failed`}
        />
        <Tile
          label="Answer time, p95"
          about="Within this time 95 of 100 attempts were done."
          value={value(p95, duration)}
          delta={of(p95, 'bad')}
          spark={over(p95)}
        />
        <Tile
          label="Backlog"
          about="Deliveries that have not ended, now."
          value={now && capped(now.backlog, now.backlog_capped)}
          note={`${count(webhook.max_in_flight)} at once`}
          to={`${deliveries}&status=pending,retrying`}
        />
        <Tile
          label="Failures in a row"
          about="Attempts that failed since the last one that did not, now."
          value={now && count(now.failures)}
          note={
            now?.failing_since && (
              <>
                for <Since at={now.failing_since} />
              </>
            )
          }
          to={`${deliveries}&view=retrying`}
        />
      </div>
    </div>
  );
}

const attempts: Pick = counts => attemptsTotal(counts.attempts);
const success: Pick = counts => ratio(counts.attempts.success, attemptsTotal(counts.attempts));
const eventual: Pick = counts => ratio(counts.delivered, counts.delivered + counts.failed);
const p95: Pick = counts => counts.duration_ms.p95;

function ratio(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}
