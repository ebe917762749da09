import type { Webhook, WebhookStats } from '../../api/types';
import { Banner } from '../../ui/banner';
import { plural } from '../../ui/format';
import { LinkButton } from '../../ui/link';
import { Time } from '../../ui/time';

/** Why it does not get everything at once, if it does not, and what that means for its deliveries. */
export function StateBanner({
  webhook,
  stats,
}: {
  webhook: Webhook;
  stats: WebhookStats | undefined;
}) {
  const { status, status_reason, updated_at } = webhook;
  const waiting = stats && stats.backlog > 0 && (
    <> {plural(stats.backlog, 'delivery waits', 'deliveries wait', stats.backlog_capped)}.</>
  );
  if (status === 'disabled') {
    return (
      <Banner tone="bad">
        <b>Disabled{status_reason ? `: ${status_reason}.` : '.'}</b> No deliveries are made until it
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
    <Banner
      tone="warn"
      action={
        <LinkButton small to={`/webhooks/${webhook.id}?tab=deliveries&view=retrying`}>
          Look at them
        </LinkButton>
      }
    >
      <b>
        {stats.failures === 1
          ? 'Its last attempt failed'
          : `Its last ${plural(stats.failures, 'attempt')} failed`}
      </b>
      , {stats.failures === 1 ? '' : 'the first of them '}
      <Time at={stats.failing_since} />.{waiting} They are tried again as its retry policy says.
    </Banner>
  );
}
