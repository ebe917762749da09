import { lazy, Suspense } from 'react';
import { useStats } from '../../api/queries';
import { asProblem } from '../../api/problem';
import type { Webhook, WebhookStats } from '../../api/types';
import { useRange } from '../../state/range';
import { Banner } from '../../ui/banner';
import { Button } from '../../ui/button';
import { ErrorState } from '../../ui/list-states';
import { WebhookBreakdowns } from './breakdowns';
import { WebhookTiles } from './tiles';

const WebhookCharts = lazy(() => import('./charts'));

/** How it did in the range of the header. */
export function OverviewTab({
  webhook,
  stats,
}: {
  webhook: Webhook;
  stats: WebhookStats | undefined;
}) {
  const range = useRange();
  const scope = { webhook_id: webhook.id };
  const query = useStats(range, { ...scope, group_by: 'event_type' });
  const before = useStats(range, scope, true);
  const retry = () => void query.refetch();
  if (query.error && query.data === undefined) {
    return <ErrorState problem={asProblem(query.error)} onRetry={retry} />;
  }
  return (
    <div className="stack">
      {query.error && (
        <Banner
          tone="warn"
          action={
            <Button small onClick={retry}>
              Try again
            </Button>
          }
        >
          This is what was last known: {asProblem(query.error).detail}
        </Banner>
      )}
      <WebhookTiles webhook={webhook} stats={query.data} before={before.data} now={stats} />
      <Suspense fallback={<div className="webhook-charts-space" />}>
        <WebhookCharts stats={query.data} />
      </Suspense>
      <WebhookBreakdowns webhook={webhook} stats={query.data} />
    </div>
  );
}
