import type { components } from './schema';

type Schemas = components['schemas'];

export type Webhook = Schemas['WebhookView'];
export type WebhookStatus = Webhook['status'];
export type Registered = Schemas['RegisteredView'];
export type Secrets = Schemas['Secrets'];
export type Rotated = Schemas['Rotated'];
export type Tested = Schemas['Tested'];

export type Delivery = Schemas['DeliveryView'];
export type DeliveryDetail = Schemas['DeliveryDetail'];
export type DeliveryStatus = Delivery['status'];
export type Attempt = Schemas['AttemptView'];
export type LastAttempt = Schemas['LastAttemptView'];
export type AttemptErrorClass = Schemas['AttemptError']['class'];
export type Timings = Schemas['TimingsView'];
export type SentRequest = Schemas['RequestView'];

/** `deliveries` only if it was asked for; in a message of the stream it is not there. */
export type Event = Schemas['EventView'] & Partial<Pick<Schemas['ListedEvent'], 'deliveries'>>;
export type EventDetail = Schemas['EventDetail'];
export type NoDeliveriesBecause = NonNullable<EventDetail['no_deliveries_because']>;
export type DeliveryCounts = Schemas['DeliveryCounts'];
export type Preview = Schemas['Preview'];
export type Published = Schemas['Published'];

export type Session = Schemas['SessionView'];
export type Role = Session['role'];
export type Key = Schemas['KeyView'];
export type NewKey = Schemas['NewKeyView'];

export type Overview = Schemas['Overview'];
export type Attention = Schemas['AttentionView'];
export type Cause = Schemas['CauseView'];
export type Stats = Schemas['StatsView'];
export type Counts = Schemas['CountsView'];
export type AttemptCounts = Schemas['AttemptsView'];
export type Percentiles = Schemas['QuantilesView'];
export type WebhookStats = Schemas['WebhookStatsView'];

export type System = Schemas['System'];
export type Worker = Schemas['WorkerView'];
export type Readiness = Schemas['Readiness'];
export type LogLevel = Schemas['LogView'];
/** Its value is any JSON to the schema; these are the kinds that there are. */
export type Setting = Omit<Schemas['Setting'], 'value'> & {
  value: string | number | boolean | string[] | null;
};

export interface Page<T> {
  data: T[];
  next_cursor: string | null;
  /** Of deliveries: how far back was looked, if the search was broken off. */
  looked_until?: string | null;
}

type BulkFilter = Omit<Schemas['BulkBody'], 'status' | 'cursor' | 'dry_run'>;

/** The filters of the list of deliveries, which are those of the bulk actions too. */
export type DeliveryFilter = { [Name in keyof BulkFilter]?: NonNullable<BulkFilter[Name]> } & {
  status?: DeliveryStatus[];
};

export type Matched = Schemas['Counted'];
export type BulkDone = Schemas['Done'];
