import { lazy, Suspense, useState } from 'react';
import { useSession } from '../../api/session';
import type { Webhook, WebhookStats } from '../../api/types';
import { useUrlState } from '../../state/url';
import { Button } from '../../ui/button';
import { Menu, type MenuItem } from '../../ui/menu';
import { nameOf } from '../../ui/url-parts';
import { useWebhookActions } from '../webhooks/actions';
import { DeleteDialog } from '../webhooks/delete-dialog';
import { copyId } from '../webhooks/row-menu';

const BulkDialog = lazy(() => import('../deliveries/bulk-dialog'));

interface Props {
  webhook: Webhook;
  stats: WebhookStats | undefined;
  onDeleted(): void;
}

/** Pause or resume, try, and the rest in a menu. */
export function HeaderActions({ webhook, stats, onDeleted }: Props) {
  const url = useUrlState();
  const { may } = useSession();
  const actions = useWebhookActions();
  const [busy, setBusy] = useState(false);
  const [asked, setAsked] = useState<'delete' | 'retry' | null>(null);
  const change = async (verb: 'pause' | 'resume') => {
    setBusy(true);
    await actions[verb](webhook);
    setBusy(false);
  };
  const manages = may('manage');
  const items: (MenuItem | 'line')[] = [
    { label: 'Copy id', icon: 'copy', run: () => void copyId(webhook.id) },
  ];
  if (manages) {
    items.push({ label: 'Retry failed…', icon: 'retry', run: () => setAsked('retry') }, 'line', {
      label: 'Delete…',
      icon: 'trash',
      danger: true,
      run: () => setAsked('delete'),
    });
  }
  return (
    <>
      {manages && webhook.status === 'active' && (
        <Button icon="pause" busy={busy} onClick={() => void change('pause')}>
          Pause
        </Button>
      )}
      {manages && webhook.status !== 'active' && (
        <Button icon="play" look="primary" busy={busy} onClick={() => void change('resume')}>
          Resume
        </Button>
      )}
      {manages && webhook.status !== 'disabled' && url.get('tab') !== 'test' && (
        <Button icon="test" onClick={() => url.set({ tab: 'test' }, { push: true })}>
          Send test event
        </Button>
      )}
      <Menu
        label={`More actions for ${nameOf(webhook.webhook_url)}`}
        items={items}
        className="button icon-only plain"
      />
      {asked === 'delete' && (
        <DeleteDialog
          webhook={webhook}
          stats={stats}
          onDone={onDeleted}
          onClose={() => setAsked(null)}
        />
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
