import { lazy, Suspense, useState } from 'react';
import { useLocation } from 'wouter';
import { useSession } from '../../api/session';
import type { Webhook, WebhookStats } from '../../api/types';
import { useHref } from '../../state/url';
import { Menu, type MenuItem } from '../../ui/menu';
import { say } from '../../ui/toast';
import { useWebhookActions } from './actions';
import { DeleteDialog } from './delete-dialog';
import { nameOf } from '../../ui/url-parts';

const BulkDialog = lazy(() => import('../deliveries/bulk-dialog'));

/** What can be done with a row. */
export function WebhookMenu({
  webhook,
  stats,
}: {
  webhook: Webhook;
  stats: WebhookStats | undefined;
}) {
  const [, navigate] = useLocation();
  const href = useHref();
  const { may } = useSession();
  const actions = useWebhookActions();
  const [asked, setAsked] = useState<'delete' | 'retry' | null>(null);
  const go = (to: string) => () => navigate(href(to));
  const page = `/webhooks/${webhook.id}`;
  const items: (MenuItem | 'line')[] = [
    { label: 'Open', icon: 'webhook', run: go(page) },
    { label: 'Its deliveries', icon: 'delivery', run: go(`${page}?tab=deliveries`) },
    { label: 'Copy id', icon: 'copy', run: () => void copyId(webhook.id) },
  ];
  if (may('manage')) {
    items.push('line');
    if (webhook.status !== 'disabled') {
      items.push({
        label: 'Send test event',
        icon: 'test',
        run: () => void actions.test(webhook),
      });
    }
    items.push(
      webhook.status === 'active'
        ? { label: 'Pause', icon: 'pause', run: () => void actions.pause(webhook) }
        : { label: 'Resume', icon: 'play', run: () => void actions.resume(webhook) },
      { label: 'Retry failed…', icon: 'retry', run: () => setAsked('retry') },
      { label: 'Settings', icon: 'edit', run: go(`${page}?tab=settings`) },
      'line',
      { label: 'Delete…', icon: 'trash', danger: true, run: () => setAsked('delete') },
    );
  }
  return (
    <>
      <Menu label={`Actions for ${nameOf(webhook.webhook_url)}`} items={items} />
      {asked === 'delete' && (
        <DeleteDialog webhook={webhook} stats={stats} onClose={() => setAsked(null)} />
      )}
      {asked === 'retry' && (
        <Suspense fallback={null}>
          <BulkDialog
            verb="retry"
            filter={{ status: ['failed'], webhook_id: webhook.id }}
            onClose={() => setAsked(null)}
          />
        </Suspense>
      )}
    </>
  );
}

export async function copyId(id: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(id);
    say({ text: `${id} is copied.` });
  } catch {
    say({ tone: 'bad', text: `The browser did not allow copying: ${id}` });
  }
}
