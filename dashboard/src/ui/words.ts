import type { AttemptCounts, Delivery, DeliveryStatus } from '../api/types';

/** The words for what the API says, each in one place. */
export const ERROR_WORDS: Record<string, string> = {
  dns: 'Name not found',
  dns_timeout: 'Name lookup timed out',
  connect: 'Connection refused',
  connect_timeout: 'Connecting timed out',
  tls: 'TLS failed',
  timeout: 'Timed out',
  connection: 'Connection broke off',
  protocol: 'Not valid HTTP',
  forbidden: 'Refused by the egress guard',
  target_forbidden: 'Refused by the egress guard',
  signing: 'Could not be signed',
};

export const ERROR_ABOUT: Record<string, string> = {
  dns: 'The host of the URL has no address.',
  dns_timeout: 'The name server did not answer in time.',
  connect: 'The host did not take the connection.',
  connect_timeout: 'The host did not answer to the connection in time.',
  tls: 'No secure connection: an expired, unknown or wrong certificate, perhaps.',
  timeout: 'No answer within the time limit of the webhook.',
  connection: 'The host closed the connection before it had answered.',
  protocol: 'What came back is no HTTP.',
  forbidden: 'The address of the URL may not be sent to.',
  target_forbidden: 'The name leads to an address that may not be sent to.',
  signing: 'The secret of the webhook could not be used.',
};

const STATUS_TEXT: Record<number, string> = {
  200: 'OK',
  201: 'Created',
  202: 'Accepted',
  204: 'No content',
  301: 'Moved',
  302: 'Found',
  304: 'Not modified',
  307: 'Redirect',
  308: 'Redirect',
  400: 'Bad request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not found',
  405: 'Method not allowed',
  408: 'Request timeout',
  409: 'Conflict',
  410: 'Gone',
  413: 'Too large',
  415: 'Unsupported media type',
  422: 'Unprocessable',
  425: 'Too early',
  429: 'Too many requests',
  500: 'Server error',
  501: 'Not implemented',
  502: 'Bad gateway',
  503: 'Unavailable',
  504: 'Gateway timeout',
};

export function statusText(status: number): string {
  return STATUS_TEXT[status] ?? '';
}

export const STATUS_WORDS: Record<DeliveryStatus, string> = {
  pending: 'Pending',
  retrying: 'Retrying',
  delivered: 'Delivered',
  failed: 'Failed',
  cancelled: 'Cancelled',
};

export const ENDED_BY: Record<NonNullable<Delivery['ended_by']>, string> = {
  delivered: 'The receiver took it.',
  attempts: 'All attempts are used up.',
  age: 'It became too old before it could be delivered.',
  status: 'The answer is one after which the webhook is not tried again.',
  gone: 'The receiver answered 410 Gone, which also disabled the webhook.',
  forbidden: 'The egress guard allows no request to this address.',
  disabled: 'The webhook was disabled while it waited.',
  cancelled: 'Somebody cancelled it.',
  webhook_deleted: 'The webhook was deleted.',
};

export const WAITING_FOR: Record<NonNullable<Delivery['waiting_for']>, string> = {
  backoff: 'waits for its next attempt',
  concurrency: 'waits for others to this webhook',
  paused: 'the webhook is paused',
};

export const HELD_BACK = 'Held back: the receiver or its failures asked to wait.';

export const OUTCOMES: { id: keyof AttemptCounts; label: string; color: string }[] = [
  { id: 'success', label: '2xx', color: '--chart-ok' },
  { id: 'redirect', label: '3xx', color: '--chart-redirect' },
  { id: 'client_error', label: '4xx', color: '--chart-client' },
  { id: 'server_error', label: '5xx', color: '--chart-server' },
  { id: 'timeout', label: 'Timed out', color: '--chart-timeout' },
  { id: 'network', label: 'Network', color: '--chart-network' },
  { id: 'blocked', label: 'Blocked', color: '--chart-blocked' },
];

export function attemptsTotal(counts: AttemptCounts): number {
  return OUTCOMES.reduce((sum, { id }) => sum + counts[id], 0);
}
