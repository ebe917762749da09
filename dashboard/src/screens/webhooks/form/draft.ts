import type { Webhook } from '../../../api/types';
import { durationText } from './duration-text';

/** A name and a value in a list of them. `key` is only for React. */
export interface Entry {
  key: number;
  name: string;
  value: string;
  /** The server has a value that it does not show; it stays unless another is typed. */
  kept?: boolean;
}

export interface RetryDraft {
  policy: 'exponential' | 'schedule';
  base: string;
  factor: string;
  cap: string;
  attempts: string;
  delays: string;
  maxAge: string;
  finalStatuses: string;
}

/** A webhook as it stands in the form: numbers and durations are the text that is being typed. */
export interface Draft {
  url: string;
  /** Empty for all. */
  eventTypes: string[];
  description: string;
  tenant: string;
  secret: string;
  payloadFormat: Webhook['payload_format'];
  scheme: Webhook['signature']['scheme'];
  method: Webhook['method'];
  timeout: string;
  maxInFlight: string;
  headers: Entry[];
  metadata: Entry[];
  retry: RetryDraft;
}

/** What the API takes for what is not said. */
export const DEFAULT_RETRY: RetryDraft = {
  policy: 'exponential',
  base: '5 s',
  factor: '3',
  cap: '12 h',
  attempts: '17',
  delays: '5 s, 1 min, 10 min, 1 h, 6 h',
  maxAge: '3 d',
  finalStatuses: '',
};

export const NEW_DRAFT: Draft = {
  url: '',
  eventTypes: [],
  description: '',
  tenant: '',
  secret: '',
  payloadFormat: 'standard',
  scheme: 'standard',
  method: 'POST',
  timeout: '15 s',
  maxInFlight: '16',
  headers: [],
  metadata: [],
  retry: DEFAULT_RETRY,
};

export function draftOf(webhook: Webhook): Draft {
  const { event_types } = webhook;
  return {
    url: webhook.webhook_url,
    eventTypes: event_types.includes('*') ? [] : event_types,
    description: webhook.description ?? '',
    tenant: webhook.tenant,
    secret: '',
    payloadFormat: webhook.payload_format,
    scheme: webhook.signature.scheme,
    method: webhook.method,
    timeout: durationText(webhook.timeout_ms),
    maxInFlight: String(webhook.max_in_flight),
    headers: entries(webhook.headers).map(entry =>
      entry.value === MASK ? { ...entry, value: '', kept: true } : entry,
    ),
    metadata: entries(webhook.metadata),
    retry: retryOf(webhook.retry),
  };
}

/** What the server shows for a value that it keeps to itself; sent back, it stands for that value. */
export const MASK = '***';

let lastKey = 0;

export function newEntry(name = '', value = ''): Entry {
  lastKey += 1;
  return { key: lastKey, name, value };
}

function entries(of: Record<string, string>): Entry[] {
  return Object.entries(of).map(([name, value]) => newEntry(name, value));
}

function retryOf(retry: Webhook['retry']): RetryDraft {
  const shared = {
    ...DEFAULT_RETRY,
    policy: retry.policy,
    maxAge: durationText(retry.max_age_ms),
    finalStatuses: retry.final_statuses.join(', '),
  };
  if (retry.policy === 'schedule') {
    return { ...shared, delays: retry.delays_ms.map(durationText).join(', ') };
  }
  return {
    ...shared,
    base: durationText(retry.base_ms),
    factor: String(retry.factor),
    cap: durationText(retry.cap_ms),
    attempts: String(retry.max_attempts),
  };
}
