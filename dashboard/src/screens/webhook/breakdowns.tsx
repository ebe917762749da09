import type { ReactNode } from 'react';
import type { AttemptCounts, Stats, Webhook } from '../../api/types';
import { Breakdown, StackedBar } from '../../ui/bars';
import { percent } from '../../ui/format';
import { AppLink } from '../../ui/link';
import { Skeleton } from '../../ui/list-states';
import { Panel } from '../../ui/page';
import { attemptsTotal, OUTCOMES } from '../../ui/words';

/** What the list of deliveries calls an outcome; those it has no word for lead nowhere. */
const ANSWERS: Partial<Record<keyof AttemptCounts, string>> = {
  success: '2xx',
  redirect: '3xx',
  client_error: '4xx',
  server_error: '5xx',
  timeout: 'timeout',
  network: 'error',
};

/** What the attempts of the range are made of: by what came back, and by event type. */
export function WebhookBreakdowns({
  webhook,
  stats,
}: {
  webhook: Webhook;
  stats: Stats | undefined;
}) {
  if (stats === undefined) return <Skeleton width="100%" height={160} />;
  const total = attemptsTotal(stats.totals.attempts);
  const list = `/webhooks/${webhook.id}?tab=deliveries`;
  const types = (stats.by_event_type ?? []).filter(one => attemptsTotal(one.attempts) > 0);
  const outcomes = OUTCOMES.filter(({ id }) => stats.totals.attempts[id] > 0);
  const none = <p className="muted webhook-none">No attempts in this time.</p>;
  return (
    <div className="webhook-breakdowns">
      <Panel title="What came back" about="of all attempts in the range">
        {total === 0 ? (
          none
        ) : (
          <div className="stack">
            <StackedBar
              label="Attempts by what came back"
              parts={outcomes.map(({ id, label, color }) => ({
                id,
                label,
                color,
                value: stats.totals.attempts[id],
              }))}
            />
            <Breakdown
              head={['Answer', 'Attempts', 'Share']}
              rows={outcomes
                .map(({ id, label, color }) => ({
                  id,
                  label: (
                    <Leading to={ANSWERS[id] && `${list}&answer=${ANSWERS[id]}`}>{label}</Leading>
                  ),
                  value: stats.totals.attempts[id],
                  note: percent(stats.totals.attempts[id] / total),
                  color,
                }))
                .sort((a, b) => b.value - a.value)}
            />
          </div>
        )}
      </Panel>
      <Panel title="By event type" about="the busiest first">
        {types.length === 0 ? (
          none
        ) : (
          <Breakdown
            head={['Event type', 'Attempts', 'Errors']}
            rows={types.slice(0, 12).map(({ event_type, attempts }) => {
              const all = attemptsTotal(attempts);
              const errors = 1 - attempts.success / all;
              return {
                id: event_type,
                label: (
                  <Leading to={`${list}&event_type=${event_type}`}>
                    <span className="mono">{event_type}</span>
                  </Leading>
                ),
                value: all,
                note: (
                  <span className={errors > 0.05 ? 'webhook-bad' : 'muted'}>{percent(errors)}</span>
                ),
              };
            })}
          />
        )}
        {types.length > 12 && <p className="muted small">and {types.length - 12} more</p>}
      </Panel>
    </div>
  );
}

function Leading({ to, children }: { to: string | undefined; children: ReactNode }) {
  return to === undefined ? <>{children}</> : <AppLink to={to}>{children}</AppLink>;
}
