import { useQueryClient } from '@tanstack/react-query';
import { api } from '../../api/client';
import type { Webhook, WebhookStats } from '../../api/types';
import { Confirm } from '../../ui/dialog';
import { plural } from '../../ui/format';
import { say } from '../../ui/toast';
import { nameOf } from '../../ui/url-parts';
import { forgetDraft } from '../webhook/draft-kept';

interface Props {
  webhook: Webhook;
  stats?: WebhookStats;
  onDone?(): void;
  onClose(): void;
}

/** Deleting one webhook, by the name of its host and path. */
export function DeleteDialog({ webhook, stats, onDone, onClose }: Props) {
  const client = useQueryClient();
  const name = nameOf(webhook.webhook_url);
  const backlog = stats?.backlog ?? 0;
  return (
    <Confirm
      title="Delete webhook"
      action={`Delete ${name}`}
      danger
      onClose={onClose}
      onConfirm={async () => {
        await api.delete(`/v1/webhooks/${webhook.id}`);
        say({ text: `${name} is deleted.` });
        forgetDraft(client, webhook.id);
        onDone?.();
        await client.invalidateQueries({ predicate: query => query.queryKey[1] !== webhook.id });
      }}
    >
      <p className="break">
        <b>{webhook.webhook_url}</b>
        {webhook.description && <span className="muted"> · {webhook.description}</span>}
      </p>
      <p>
        Its secrets are forgotten and it gets no more events.{' '}
        {backlog > 0
          ? `${plural(backlog, 'delivery', 'deliveries', stats?.backlog_capped)} that ${backlog === 1 ? 'waits' : 'wait'} will be cancelled.`
          : 'Deliveries that wait will be cancelled.'}{' '}
        What was delivered stays on record. This cannot be undone.
      </p>
    </Confirm>
  );
}
