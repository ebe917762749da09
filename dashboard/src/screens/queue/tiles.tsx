import type { Counts, Stats, System, Worker } from '../../api/types';
import { count, duration, plural, shortCount } from '../../ui/format';
import { Tile } from '../../ui/tile';
import { attemptsTotal } from '../../ui/words';
import { ended, perMinute, rate } from './rates';

interface Props {
  system?: System;
  stats: Stats | undefined;
  before: Stats | undefined;
  workers?: Worker[];
  /** Whether the range ends now: then a rate is that of now, else that of the whole range. */
  sliding: boolean;
  /** Only the tiles of throughput, which are known of one tenant too. */
  ownOnly?: boolean;
}

/** How much waits and how quickly it goes. */
export function QueueTiles({ system, stats, before, workers, sliding, ownOnly }: Props) {
  const queue = system?.queue;
  const over = (pick: (counts: Counts) => number | null) => stats?.buckets.map(pick);
  const gauge = (value: number | null | undefined, format: (value: number) => string) =>
    value === undefined ? undefined : value === null ? '–' : format(value);
  const silent = queue && !queue.ok ? 'the queue does not answer' : undefined;
  const live = workers?.filter(worker => worker.state === 'live');
  const slots = live?.reduce((sum, worker) => sum + worker.slots, 0);

  return (
    <div className={ownOnly ? 'queue-tiles two' : 'queue-tiles'}>
      {!ownOnly && (
        <>
          <Tile
            label="Queued"
            about="Deliveries, and events to fan out, that wait in the queue: due now, or later for their next attempt."
            value={gauge(queue?.queued, shortCount)}
            note={
              silent ?? (queue?.lanes != null ? `in ${plural(queue.lanes, 'lane')}` : undefined)
            }
            spark={over(counts => counts.waiting)}
            color="--chart-b"
          />
          <Tile
            label="Leased"
            about="What workers hold, from claiming it to recording what became of it."
            value={gauge(queue?.leased, shortCount)}
            note={slots === undefined ? undefined : `of ${count(slots)} slots`}
          />
          <Tile
            label="Being sent"
            about="Requests to receivers that are under way this moment."
            value={gauge(queue?.in_flight, shortCount)}
            spark={over(counts => counts.sending)}
          />
          <Tile
            label="Waiting longest"
            about="How long the delivery has waited that could be sent now and has waited longest. What waits for a place of its webhook or for its next attempt is not in it. It grows if there are too few slots, or no worker."
            value={gauge(queue?.oldest_ready_ms, ms => (ms === 0 ? 'none' : duration(ms)))}
            note={silent ?? (queue && 'ready to send')}
            spark={over(counts => counts.oldest_waiting_ms)}
            color="--chart-b"
          />
        </>
      )}
      <RateTile
        label="Attempts a minute"
        about="Requests sent to receivers, first tries and retries"
        pick={counts => attemptsTotal(counts.attempts)}
        {...{ stats, before, sliding }}
      />
      <RateTile
        label="Ended a minute"
        about="Deliveries that were delivered, failed for good or were cancelled"
        pick={ended}
        color="--chart-ok"
        {...{ stats, before, sliding }}
      />
    </div>
  );
}

interface RateProps extends Pick<Props, 'stats' | 'before' | 'sliding'> {
  label: string;
  about: string;
  color?: string;
  pick(counts: Counts): number | null;
}

function RateTile({ label, about, color, stats, before, sliding, pick }: RateProps) {
  const now = perMinute(stats, pick);
  const then = perMinute(before, pick);
  const value = sliding ? now.last : now.mean;
  const of = sliding && stats ? `over the last ${duration(stats.interval_ms)}` : '';
  return (
    <Tile
      label={label}
      about={`${about}${of && `, ${of}`}. The change is that of the whole range.`}
      value={stats && (value === null ? '–' : rate(value))}
      delta={{ now: now.mean, before: before && then.mean, more: 'neutral' }}
      note={now.max === null || now.max === 0 ? undefined : `peak ${rate(now.max)}`}
      spark={now.values.filter(one => one !== null)}
      color={color}
    />
  );
}
