import { lazy, Suspense, useState } from 'react';
import { useSession } from '../../api/session';
import type { Webhook, WebhookStats } from '../../api/types';
import { Banner } from '../../ui/banner';
import { Button } from '../../ui/button';
import { plural, sentence } from '../../ui/format';
import { LinkButton } from '../../ui/link';
import { Time } from '../../ui/time';

const BulkDialog = lazy(() => import('../deliveries/bulk-dialog'));

interface Props {
  webhook: Webhook;
  stats: WebhookStats | undefined;
}

/** Why it does not get everything at once, if it does not, and what that means for its deliveries. */
export function StateBanner({ webhook, stats }: Props) {
  const { may } = useSession();
  const { status, status_reason, updated_at } = webhook;
  const waiting = stats && stats.backlog > 0 && (
    <> {plural(stats.backlog, 'delivery waits', 'deliveries wait', stats.backlog_capped)}.</>
  );
  if (status === 'disabled') {
    return (
      <Banner tone="bad">
        <b>Disabled.</b> {status_reason && sentence(status_reason)} No deliveries are made until it
        is resumed; events of that time are not caught up. Last changed <Time at={updated_at} />.
      </Banner>
    );
  }
  if (status === 'paused') {
    return (
      <Banner tone="info">
        <b>Paused.</b> Deliveries are made and wait until it is resumed, or until they are too old.
        {waiting} Last changed <Time at={updated_at} />.
      </Banner>
    );
  }
  if (!stats?.failing_since) return null;
  return (
    <Banner tone="warn" action={<Actions webhook={webhook} waits={stats.backlog > 0} />}>
      <b>
        {stats.failures === 1
          ? 'Its last attempt failed'
          : `Its last ${plural(stats.failures, 'attempt')} failed`}
      </b>
      , {stats.failures === 1 ? '' : 'the first of them '}
      <Time at={stats.failing_since} />.{waiting}{' '}
      {stats.backlog > 0 && may('manage') && 'Repaired? Retry now.'}
    </Banner>
  );
}

/** What is wrong with them, and once that is mended: all of them at once, without a wait. */
function Actions({ webhook, waits }: { webhook: Webhook; waits: boolean }) {
  const { may } = useSession();
  const [retries, setRetries] = useState(false);
  const view = waits ? 'retrying' : 'failed';
  return (
    <>
      <LinkButton small to={`/webhooks/${webhook.id}?tab=deliveries&view=${view}`}>
        See why
      </LinkButton>
      {waits && may('manage') && (
        <Button small icon="retry" onClick={() => setRetries(true)}>
          Retry now…
        </Button>
      )}
      {retries && (
        <Suspense fallback={null}>
          <BulkDialog
            verb="retry"
            filter={{ webhook_id: webhook.id, status: ['pending', 'retrying'] }}
            onClose={() => setRetries(false)}
          />
        </Suspense>
      )}
    </>
  );
}
