import './webhook.css';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { useLocation } from 'wouter';
import { asProblem } from '../../api/problem';
import { useWebhook, useWebhookStats } from '../../api/queries';
import { POLL_MS } from '../../api/query-client';
import { useSession } from '../../api/session';
import { serverNow } from '../../state/now';
import { useHref, useUrlState } from '../../state/url';
import { CopyButton } from '../../ui/copy';
import { Icon } from '../../ui/icons';
import { Id } from '../../ui/id';
import { LinkButton } from '../../ui/link';
import { ErrorState, Skeleton, State } from '../../ui/list-states';
import { Page } from '../../ui/page';
import { WebhookStatusPill } from '../../ui/status';
import { Tabs } from '../../ui/tabs';
import { Time } from '../../ui/time';
import { DeliveryList } from '../deliveries/list';
import { isFailing } from '../webhooks/columns';
import { countChanges } from '../webhooks/form/body';
import { hostOf, inboxOf, urlParts } from '../../ui/url-parts';
import { forgetDraft, useKeptDraft } from './draft-kept';
import { HeaderActions } from './header-actions';
import { OverviewTab } from './overview';
import { SecurityTab } from './security';
import { SettingsTab } from './settings';
import { StateBanner } from './state-banner';
import { TestTab } from './test';

const TABS = [
  { id: 'overview', label: 'Overview' },
  { id: 'deliveries', label: 'Deliveries' },
  { id: 'settings', label: 'Settings' },
  { id: 'security', label: 'Security' },
  { id: 'test', label: 'Test' },
] as const;

const DAY_MS = 86_400_000;

/** One webhook: how it does, what it got, how it is set up, and how it is tried. */
export default function Webhook({ id }: { id: string }) {
  const url = useUrlState();
  const [, navigate] = useLocation();
  const href = useHref();
  const query = useWebhook(id, 2 * POLL_MS);
  const since = new Date(serverNow() - DAY_MS).toISOString();
  const stats = useWebhookStats([id], since, '24h').data?.get(id);
  const client = useQueryClient();
  const [editing, setEditing] = useKeptDraft(id);
  const webhook = query.data;
  const tab = TABS.find(known => known.id === url.get('tab'))?.id ?? 'overview';

  const problem = query.error ? asProblem(query.error) : null;
  const isGone = problem?.status === 404;
  useEffect(() => {
    if (isGone) forgetDraft(client, id);
  }, [client, id, isGone]);
  if (webhook === undefined || isGone) {
    if (problem === null) return <Loading />;
    return (
      <Page title="Webhook" about={<Id id={id} full />}>
        {isGone ? (
          <State
            icon="webhook"
            title="There is no such webhook"
            action={
              <LinkButton to={`/deliveries?webhook_id=${id}`}>Look for its deliveries</LinkButton>
            }
          >
            It was deleted, or never there. What was delivered to it stays on record.
          </State>
        ) : (
          <ErrorState problem={problem} onRetry={() => void query.refetch()} />
        )}
      </Page>
    );
  }

  const { scheme, host, rest } = urlParts(webhook.webhook_url);
  const unsaved =
    tab !== 'settings' && editing !== null && countChanges(editing.draft, editing.before) > 0;
  return (
    <Page
      title={hostOf(webhook.webhook_url)}
      heading={
        <span className="webhook-url" data-tip={webhook.webhook_url}>
          {scheme !== 'https://' && <span className="webhook-rest">{scheme}</span>}
          {host}
          {rest !== '/' && <span className="webhook-rest">{rest}</span>}
        </span>
      }
      beside={
        <span className="row">
          <CopyButton text={webhook.webhook_url} label="Copy URL" />
          <WebhookStatusPill
            status={webhook.status}
            reason={webhook.status_reason}
            failing={isFailing(stats)}
          />
        </span>
      }
      about={
        <span className="row wrap webhook-about">
          {webhook.description && (
            <span className="webhook-description" data-tip={webhook.description}>
              {webhook.description}
            </span>
          )}
          <Id id={webhook.id} />
          <span>tenant {webhook.tenant}</span>
          <span>
            created <Time at={webhook.created_at} />
          </span>
          <Inbox url={webhook.webhook_url} />
        </span>
      }
      actions={
        <HeaderActions
          webhook={webhook}
          stats={stats}
          onDeleted={() => navigate(href('/webhooks'))}
        />
      }
    >
      <StateBanner webhook={webhook} stats={stats} />
      <Tabs
        label="About this webhook"
        value={tab}
        onChange={next =>
          // What narrows one tab means nothing to another.
          navigate(href(`/webhooks/${id}${next === 'overview' ? '' : `?tab=${next}`}`))
        }
        tabs={TABS.map(({ id: name, label }) => ({
          id: name,
          label,
          // What is not saved yet is not forgotten on another tab either.
          count: name === 'settings' && unsaved ? 'not saved' : undefined,
        }))}
      >
        {tab === 'overview' && <OverviewTab webhook={webhook} stats={stats} />}
        {tab === 'deliveries' && <DeliveryList scope={{ webhook_id: id }} />}
        {tab === 'settings' && (
          <SettingsTab webhook={webhook} editing={editing} onEdit={setEditing} />
        )}
        {tab === 'security' && <SecurityTab webhook={webhook} />}
        {tab === 'test' && <TestTab webhook={webhook} />}
      </Tabs>
    </Page>
  );
}

/** With --dev the server has inboxes of its own: what they got is to be read there. */
function Inbox({ url }: { url: string }) {
  const { session } = useSession();
  const path = inboxOf(url);
  if (session?.dev !== true || path === undefined) return null;
  return (
    <a href={path} target="_blank" rel="noreferrer" className="row">
      What its inbox got <Icon name="open" size={13} />
    </a>
  );
}

function Loading() {
  return (
    <Page
      title="Webhook"
      heading={
        <>
          <span className="hidden-text">Webhook</span>
          <Skeleton width={280} height={20} />
        </>
      }
    >
      <Skeleton width="100%" height={240} />
    </Page>
  );
}
