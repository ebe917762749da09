import type { AttemptCounts, Webhook, WebhookStats } from '../../api/types';
import { capped, duration, percent, plural } from '../../ui/format';
import { Icon } from '../../ui/icons';
import { SparkBars } from '../../ui/sparkline';
import { WebhookStatusPill } from '../../ui/status';
import type { Column } from '../../ui/table';
import { Time } from '../../ui/time';
import { attemptsTotal, STATUS_WORDS } from '../../ui/words';
import { urlParts } from '../../ui/url-parts';
import { WebhookMenu } from './row-menu';

/** `stats` is empty until the numbers are there; the rows do not wait for them. */
export function webhookColumns(
  stats: ReadonlyMap<string, WebhookStats> | undefined,
  show: { tenant: boolean },
): Column<Webhook>[] {
  const of = (webhook: Webhook) => stats?.get(webhook.id);
  const columns: (Column<Webhook> | false)[] = [
    {
      id: 'status',
      head: 'Status',
      width: '1%',
      cell: webhook => (
        <WebhookStatusPill
          status={webhook.status}
          reason={webhook.status_reason}
          failing={isFailing(of(webhook))}
        />
      ),
    },
    {
      id: 'webhook',
      head: 'Webhook',
      primary: true,
      fills: true,
      cell: webhook => <WebhookName webhook={webhook} />,
    },
    show.tenant && {
      id: 'tenant',
      head: 'Tenant',
      from: 'l',
      cell: webhook => <span className="webhooks-tenant truncate">{webhook.tenant}</span>,
    },
    {
      id: 'types',
      head: 'Event types',
      from: 'l',
      cell: webhook => <EventTypes types={webhook.event_types} />,
    },
    {
      id: 'success',
      head: 'Success, 24 h',
      about: 'Of the attempts of the last 24 hours, how many were answered 2xx',
      cell: webhook => <Success stats={of(webhook)} />,
    },
    {
      id: 'p95',
      phone: false,
      head: 'p95',
      align: 'end',
      from: 'l',
      about: 'Within this time 95 of 100 attempts were answered',
      cell: webhook => {
        const p95 = of(webhook)?.duration_ms.p95 ?? null;
        return p95 === null ? <span className="faint">–</span> : duration(p95);
      },
    },
    {
      id: 'backlog',
      head: 'Backlog',
      align: 'end',
      about: 'Deliveries that have not ended',
      cell: webhook => <Backlog stats={of(webhook)} />,
    },
    {
      id: 'last',
      head: 'Last delivery',
      cell: webhook => <LastDelivery stats={of(webhook)} />,
    },
    {
      id: 'created',
      phone: false,
      head: 'Created',
      align: 'end',
      from: 'xl',
      cell: webhook => <Time at={webhook.created_at} />,
    },
    {
      id: 'menu',
      head: '',
      cell: webhook => <WebhookMenu webhook={webhook} stats={of(webhook)} />,
    },
  ];
  return columns.filter(column => column !== false);
}

export function isFailing(stats: WebhookStats | undefined): boolean {
  return stats !== undefined && stats.failing_since !== null;
}

export function successOf(attempts: AttemptCounts): number | null {
  const all = attemptsTotal(attempts);
  return all === 0 ? null : attempts.success / all;
}

function WebhookName({ webhook }: { webhook: Webhook }) {
  const { scheme, host, rest } = urlParts(webhook.webhook_url);
  return (
    <span className="webhooks-name">
      <span className="truncate" data-tip={webhook.webhook_url}>
        {scheme !== 'https://' && <span className="faint">{scheme}</span>}
        <b>{host}</b>
        {rest !== '/' && <span className="muted">{rest}</span>}
      </span>
      {webhook.description && <span className="muted small truncate">{webhook.description}</span>}
    </span>
  );
}

function EventTypes({ types }: { types: string[] }) {
  const [only = ''] = types;
  if (types.includes('*')) return <span className="muted">All</span>;
  if (types.length === 1) {
    return (
      <span className="mono truncate webhooks-type" data-tip={only}>
        {only}
      </span>
    );
  }
  const more = types.length > 20 ? `\n… ${types.length} in all` : '';
  return (
    <span data-tip={types.slice(0, 20).join('\n') + more}>
      {plural(types.length, 'type')}
      <span className="hidden-text">: {types.join(', ')}</span>
    </span>
  );
}

function Success({ stats }: { stats: WebhookStats | undefined }) {
  const ratio = stats && successOf(stats.attempts);
  if (ratio === null || ratio === undefined || stats === undefined) {
    return <span className="faint">{stats ? 'no attempts' : '–'}</span>;
  }
  const failed = attemptsTotal(stats.attempts) - stats.attempts.success;
  return (
    <span className="row webhooks-success">
      <SparkBars
        bars={stats.spark}
        label={`${plural(stats.attempts.success, 'success', 'successes')}, ${plural(failed, 'failure')} in 24 hours`}
      />
      <span className={ratio < 0.95 ? 'webhooks-low' : undefined}>{percent(ratio)}</span>
    </span>
  );
}

function Backlog({ stats }: { stats: WebhookStats | undefined }) {
  if (stats === undefined) return <span className="faint">–</span>;
  if (stats.backlog === 0) return <span className="faint">0</span>;
  return <>{capped(stats.backlog, stats.backlog_capped)}</>;
}

const MARKS = {
  delivered: { icon: 'check', tone: 'ok' },
  failed: { icon: 'cross', tone: 'bad' },
  retrying: { icon: 'retry', tone: 'bad' },
  pending: { icon: 'clock', tone: 'off' },
  cancelled: { icon: 'stop', tone: 'off' },
} as const;

function LastDelivery({ stats }: { stats: WebhookStats | undefined }) {
  const last = stats?.last_delivery;
  if (!last) return <span className="faint">{stats ? 'none yet' : '–'}</span>;
  const { icon, tone } = MARKS[last.status];
  return (
    <span className={`answer ${tone}`}>
      <Icon name={icon} size={13} />
      <span>{STATUS_WORDS[last.status]}</span>
      <span className="muted">
        <Time at={last.at} />
      </span>
    </span>
  );
}
