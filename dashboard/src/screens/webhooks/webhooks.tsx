import './webhooks.css';
import { useEffect, useMemo, useState } from 'react';
import { useTenant, useWebhookStats } from '../../api/queries';
import { useSession } from '../../api/session';
import type { Registered, Webhook } from '../../api/types';
import { useShortcut } from '../../state/keys';
import { serverNow } from '../../state/now';
import { useHref, useUrlState } from '../../state/url';
import { Button } from '../../ui/button';
import { FilterBar, FilterSelect, SearchField } from '../../ui/filters';
import { plural } from '../../ui/format';
import { State } from '../../ui/list-states';
import { Page } from '../../ui/page';
import { Pager, usePager } from '../../ui/pager';
import { DataTable } from '../../ui/table';
import { WebhooksBulkBar } from './bulk';
import { webhookColumns } from './columns';
import { EmptyWebhooks } from './empty';
import { useWebhookList } from './list-query';
import { RegisterDialog } from './register';
import { RegisteredNow } from './registered';

const DAY_MS = 86_400_000;
const STATUSES = [
  { value: 'active', label: 'Active' },
  { value: 'paused', label: 'Paused' },
  { value: 'disabled', label: 'Disabled' },
];
const NONE: Webhook[] = [];

/** Who is told: the registered webhooks, newest first, each with how it did in the last day. */
export default function Webhooks() {
  const url = useUrlState();
  const href = useHref();
  const tenant = useTenant();
  const { session, may } = useSession();
  const { cursor, rows: limit } = usePager();
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [made, setMade] = useState<Registered | Webhook | null>(null);
  const q = url.get('q') ?? '';
  const status = url.get('status') ?? '';
  const ownTenant = session?.tenant ?? null;
  const narrowed = q !== '' || status !== '';
  const filtered = narrowed || (tenant !== undefined && ownTenant === null);

  const query = useWebhookList({ q, status, tenant, limit, cursor });
  const page = query.data;
  const rows = page?.data;
  const ids = useMemo(() => (rows ?? NONE).map(({ id }) => id), [rows]);
  const since = new Date(serverNow() - DAY_MS).toISOString();
  const stats = useWebhookStats(ids, since, '24h').data;
  const severalTenants =
    ownTenant === null &&
    tenant === undefined &&
    (rows ?? NONE).some(webhook => webhook.tenant !== 'default');
  const columns = useMemo(
    () => webhookColumns(stats, { tenant: severalTenants }),
    [stats, severalTenants],
  );
  const filterKey = JSON.stringify([q, status, tenant, cursor]);
  useEffect(() => setChosen(new Set()), [filterKey]);

  const manages = may('manage');
  const register = () => url.set({ new: 1 }, { push: true });
  useShortcut('n', register, manages);
  const clear = () => url.set({ q: null, status: null, tenant: null, cursor: null });
  const registerButton = manages && (
    <Button look="primary" icon="plus" onClick={register}>
      Register webhook
    </Button>
  );
  return (
    <Page
      title="Webhooks"
      about="URLs that are told of events, and how that went in the last 24 hours"
      actions={registerButton}
    >
      <FilterBar active={narrowed} onClear={() => url.set({ q: null, status: null, cursor: null })}>
        <div className="webhooks-search">
          <SearchField
            main
            label="Search by a part of a URL, or an id"
            placeholder="Part of a URL, or an id"
            value={q}
            onChange={next => url.set({ q: next, cursor: null })}
          />
        </div>
        <FilterSelect
          label="Status"
          value={status}
          options={STATUSES}
          onChange={next => url.set({ status: next, cursor: null })}
        />
      </FilterBar>
      {chosen.size > 0 && (
        <WebhooksBulkBar
          chosen={(rows ?? NONE).filter(({ id }) => chosen.has(id))}
          onClear={() => setChosen(new Set())}
        />
      )}
      <DataTable
        what="webhooks"
        columns={columns}
        rows={rows}
        rowKey={webhook => webhook.id}
        rowHref={webhook => href(`/webhooks/${webhook.id}`)}
        rowName={webhook => webhook.webhook_url}
        chosen={chosen}
        onChoose={manages ? setChosen : undefined}
        error={query.error}
        onRetry={() => void query.refetch()}
        empty={
          filtered ? (
            <State
              icon="filter"
              title="No webhooks match"
              action={<Button onClick={clear}>Clear filters</Button>}
            >
              {narrowed ? 'None has all that is asked for.' : `The tenant ${tenant} has none.`}
            </State>
          ) : (
            <EmptyWebhooks action={registerButton} />
          )
        }
      />
      {(rows?.length ?? 0) > 0 && (
        <Pager
          next={page?.next_cursor}
          note={`${plural(rows?.length ?? 0, 'webhook')} on this page`}
        />
      )}
      {url.get('new') !== null && manages && (
        <RegisterDialog
          onMade={webhook => {
            setMade(webhook);
            // Going back must not offer the form again.
            url.set({ new: null });
          }}
          onClose={() => url.set({ new: null })}
        />
      )}
      {made !== null && <RegisteredNow webhook={made} onClose={() => setMade(null)} />}
    </Page>
  );
}
