import { useQueryClient } from '@tanstack/react-query';
import { lazy, Suspense, useState } from 'react';
import { useLocation } from 'wouter';
import { api } from '../../api/client';
import { asProblem } from '../../api/problem';
import { useSession } from '../../api/session';
import type { Attention } from '../../api/types';
import { useHref, useUrlState } from '../../state/url';
import { capped, count, sentence } from '../../ui/format';
import { Url } from '../../ui/id';
import { State } from '../../ui/list-states';
import { Menu, type MenuItem } from '../../ui/menu';
import { Panel } from '../../ui/page';
import { Answer, WebhookStatusPill } from '../../ui/status';
import { DataTable, type Column } from '../../ui/table';
import { Time } from '../../ui/time';
import { say } from '../../ui/toast';

const BulkDialog = lazy(() => import('../deliveries/bulk-dialog'));

interface Props {
  rows: Attention[] | undefined;
  error: unknown;
  onRetry(): void;
}

/** The webhooks that hold the most back, for the longest: where to look first. */
export function AttentionTable({ rows, error, onRetry }: Props) {
  const href = useHref();
  const tenant = useUrlState().get('tenant');
  const { session, may } = useSession();
  const [retried, setRetried] = useState<Attention | null>(null);
  const columns: Column<Attention>[] = [
    {
      id: 'webhook',
      head: 'Webhook',
      primary: true,
      cell: row => <Named row={row} />,
      fills: true,
    },
    {
      id: 'status',
      head: 'Status',
      cell: row => (
        <WebhookStatusPill
          status={row.status}
          reason={row.status_reason}
          failing={row.failing_since !== null || row.failures > 0}
        />
      ),
    },
    { id: 'tenant', head: 'Tenant', from: 'xl', cell: row => row.tenant },
    {
      id: 'failures',
      head: 'Failures in a row',
      about: 'How many attempts failed one after the other',
      align: 'end',
      // Of a disabled one nothing is counted any more.
      cell: row => (row.status === 'disabled' ? <Nothing /> : count(row.failures)),
    },
    {
      id: 'answer',
      head: 'Last answer',
      cell: row => <Answer status={row.last_status} error={row.last_error} />,
    },
    {
      id: 'backlog',
      head: 'Backlog',
      about: 'Deliveries that have not ended',
      align: 'end',
      cell: row => capped(row.backlog, row.backlog_capped),
    },
    {
      id: 'due',
      head: 'First due',
      align: 'end',
      from: 'l',
      about: 'When the delivery that is due first is tried, or should have been',
      cell: row => <Time at={row.first_due_at} />,
    },
    {
      id: 'since',
      head: 'Failing since',
      align: 'end',
      from: 'l',
      cell: row => <Time at={row.failing_since} />,
    },
    {
      id: 'menu',
      head: '',
      cell: row => <Actions row={row} onRetryFailed={() => setRetried(row)} />,
    },
  ];
  const shown = columns.filter(
    column =>
      (column.id !== 'tenant' || (tenant === null && session?.tenant === null)) &&
      (column.id !== 'menu' || may('look')),
  );
  return (
    <Panel title="Webhooks needing attention" flush>
      <DataTable
        what="webhooks needing attention"
        columns={shown}
        rows={rows}
        rowKey={row => row.webhook_id}
        rowHref={row => href(`/webhooks/${row.webhook_id}`)}
        error={error}
        onRetry={onRetry}
        skeletonRows={3}
        empty={
          <State icon="check" title="None">
            No webhook is failing, disabled or holding back deliveries.
          </State>
        }
      />
      {retried && (
        <Suspense fallback={null}>
          <BulkDialog
            verb="retry"
            filter={{ status: ['failed'], webhook_id: retried.webhook_id }}
            onClose={() => setRetried(null)}
          />
        </Suspense>
      )}
    </Panel>
  );
}

/** Why a disabled one is disabled: its numbers do not tell any more. */
function Named({ row }: { row: Attention }) {
  const why = row.status === 'disabled' && row.status_reason ? sentence(row.status_reason) : null;
  return (
    <span className="attention-name">
      <Url url={row.webhook_url} copy={false} />
      {why !== null && (
        <span className="muted small truncate" data-tip={why}>
          {why}
        </span>
      )}
    </span>
  );
}

function Nothing() {
  return <span className="faint">–</span>;
}

function Actions({ row, onRetryFailed }: { row: Attention; onRetryFailed(): void }) {
  const client = useQueryClient();
  const [, navigate] = useLocation();
  const href = useHref();
  const { may } = useSession();
  const change = async (verb: 'pause' | 'resume') => {
    try {
      await api.post(`/v1/webhooks/${row.webhook_id}/${verb}`);
      say({ text: verb === 'pause' ? 'Paused: deliveries are made and wait.' : 'Resumed.' });
    } catch (error) {
      say({ tone: 'bad', text: asProblem(error).detail });
    }
    await client.invalidateQueries();
  };
  const items: (MenuItem | 'line')[] = [
    { label: 'Open', icon: 'webhook', run: () => navigate(href(`/webhooks/${row.webhook_id}`)) },
    {
      label: 'Its deliveries',
      icon: 'delivery',
      run: () => navigate(href(`/deliveries?webhook_id=${row.webhook_id}`)),
    },
  ];
  if (may('manage')) {
    items.push('line');
    if (row.status === 'active') {
      items.push({ label: 'Pause', icon: 'pause', run: () => void change('pause') });
    } else if (row.status === 'paused') {
      items.push({ label: 'Resume', icon: 'play', run: () => void change('resume') });
    }
    items.push({ label: 'Retry failed…', icon: 'retry', run: onRetryFailed });
  }
  return <Menu label={`Actions for ${row.webhook_url}`} items={items} />;
}
