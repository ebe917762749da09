import type { components } from './schema';

type Schemas = components['schemas'];

export type Webhook = Schemas['WebhookView'];
export type Registered = Schemas['RegisteredView'];
export type Delivery = Schemas['DeliveryView'] & { webhook_url?: string };
export type DeliveryDetail = Schemas['DeliveryDetail'] & { webhook_url?: string };
export type DeliveryStatus = Delivery['status'];
export type Attempt = Schemas['AttemptView'];
export type LastAttempt = Schemas['LastAttemptView'];
export type AttemptErrorClass = Schemas['AttemptError']['class'];
export type Timings = Schemas['TimingsView'];
export type Key = Schemas['KeyView'];
export type NewKey = Schemas['NewKeyView'];
export type Readiness = Schemas['Readiness'];
export type Secrets = Schemas['Secrets'];
export type WebhookStatus = Webhook['status'];

export interface Page<T> {
  data: T[];
  next_cursor: string | null;
  /** How far back was looked, if the page is short although there may be more. */
  looked_until?: string | null;
}

export type Role = 'admin' | 'publisher' | 'viewer' | 'tenant';

export interface Session {
  role: Role;
  tenant: string | null;
  key_name: string;
  expires_at: string;
  dev: boolean;
}

export type Percentiles = Schemas['QuantilesView'];
export type AttemptCounts = Schemas['AttemptsView'];
export type Counts = Schemas['CountsView'];
export type Stats = Schemas['StatsView'];
export type Attention = Schemas['AttentionView'];
export type Cause = Schemas['CauseView'];
export type WebhookStats = Schemas['WebhookStatsView'];
export type Worker = Schemas['WorkerView'];
/** `memory_bytes` is planned. */
export type System = Schemas['System'] & { queue: { memory_bytes?: number | null } };

/** Its queue is another than that of `System`, under the same name in the document of the API. */
export type Overview = Omit<Schemas['Overview'], 'queue'> & {
  queue: {
    waiting: number;
    waiting_capped: boolean;
    retrying: number;
    retrying_capped: boolean;
    sending: number;
    oldest_waiting_ms: number | null;
  } | null;
};

/** The filters of the list of deliveries, which are those of the bulk actions too. */
export interface DeliveryFilter {
  status?: DeliveryStatus[];
  webhook_id?: string;
  event_id?: string;
  event_type?: string;
  tenant?: string;
  since?: string;
  until?: string;
  answer?: string;
  min_attempts?: number;
  min_duration_ms?: number;
}

export interface Matched {
  matched: number;
  capped: boolean;
}

export interface BulkDone {
  done: number;
  skipped: number;
  next_cursor: string | null;
}

export interface DeliveryCounts {
  pending: number;
  retrying: number;
  delivered: number;
  failed: number;
  cancelled: number;
  capped: boolean;
}

/** `deliveries` only if it was asked for; in a message of the stream they are not there. */
export type Event = Omit<Schemas['ListedEvent'], 'deliveries'> & {
  deliveries?: DeliveryCounts | null;
  size_bytes?: number;
};

export type EventDetail = Schemas['EventDetail'];
export type NoDeliveriesBecause = NonNullable<EventDetail['no_deliveries_because']>;
export type SentRequest = Schemas['RequestView'];
export type Preview = Schemas['Preview'];

/** GET /v1/settings as it is answered. */
export interface SettingView {
  key: string;
  /** Null if it is not set; of a secret `***`. */
  value: string | number | boolean | string[] | null;
  /** `default`, `the command line`, the name of a variable, or the path of a file. */
  source: string;
  flag: string | null;
  env: string;
  doc: string;
  secret: boolean;
}
