import { Problem, type FieldProblem } from '../../../api/problem';
import { MASK, NEW_DRAFT, type Draft, type Entry, type RetryDraft } from './draft';
import { parseDuration } from './duration-text';

/** The fields of the API, each as it would be sent; null stands for the API's default. */
export type Body = Record<string, unknown>;

/**
 * What registering sends: only what differs from the defaults, because registering a URL again changes
 * what is given and nothing else.
 */
export function registration(draft: Draft): Body {
  if (draft.url.trim() === '') {
    const detail = 'Where should events go? A URL is needed.';
    throw new Problem(0, 'url_missing', detail, [
      { pointer: '/webhook_url', code: 'url_missing', detail },
    ]);
  }
  return { webhook_url: draft.url.trim(), ...difference(draft, NEW_DRAFT) };
}

/** What a change sends: the fields that are not as they were when the form was opened. */
export function changes(draft: Draft, before: Draft): Body {
  return difference(draft, before);
}

function difference(draft: Draft, before: Draft): Body {
  const wrong: FieldProblem[] = [];
  const now = read(draft, wrong);
  const [first] = wrong;
  if (first !== undefined) throw new Problem(0, first.code, first.detail, wrong);
  const was = read(before, []);
  return Object.fromEntries(Object.entries(now).filter(([name, value]) => !same(value, was[name])));
}

/** How many fields were changed, also while some of them cannot be read yet. */
export function countChanges(draft: Draft, before: Draft): number {
  const now = read(draft, []);
  const was = read(before, []);
  return Object.keys(now).filter(name => !same(now[name], was[name])).length;
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function read(draft: Draft, wrong: FieldProblem[]): Body {
  return {
    webhook_url: draft.url.trim(),
    event_types: draft.eventTypes.length === 0 ? null : draft.eventTypes,
    description: draft.description.trim() || null,
    tenant: draft.tenant.trim() || null,
    secret: draft.secret.trim() || null,
    payload_format: draft.payloadFormat,
    signature: { scheme: draft.scheme },
    method: draft.method,
    timeout_ms: duration(draft.timeout, '/timeout_ms', wrong),
    max_in_flight: number(draft.maxInFlight, '/max_in_flight', wrong),
    headers: object(draft.headers, '/headers', wrong),
    metadata: object(draft.metadata, '/metadata', wrong),
    retry: retry(draft.retry, wrong),
  };
}

function retry(draft: RetryDraft, wrong: FieldProblem[]): Body {
  const shared = {
    policy: draft.policy,
    max_age_ms: duration(draft.maxAge, '/retry/max_age_ms', wrong),
    final_statuses: list(draft.finalStatuses).map(text =>
      number(text, '/retry/final_statuses', wrong),
    ),
  };
  if (draft.policy === 'schedule') {
    const delays = list(draft.delays).map(text => duration(text, '/retry/delays_ms', wrong));
    return { ...shared, delays_ms: delays };
  }
  return {
    ...shared,
    base_ms: duration(draft.base, '/retry/base_ms', wrong),
    factor: number(draft.factor, '/retry/factor', wrong),
    cap_ms: duration(draft.cap, '/retry/cap_ms', wrong),
    max_attempts: number(draft.attempts, '/retry/max_attempts', wrong),
  };
}

function list(text: string): string[] {
  return text.split(/[,\n]/).flatMap(part => (part.trim() === '' ? [] : [part.trim()]));
}

function duration(text: string, pointer: string, wrong: FieldProblem[]): number | null {
  if (text.trim() === '') return null;
  const ms = parseDuration(text);
  if (ms !== undefined) return ms;
  const detail = `“${text.trim()}” is no duration: write a number and its unit, such as 15 s, 5 min, 12 h or 3 d.`;
  wrong.push({ pointer, code: 'unreadable', detail });
  // Not null, which would be the default: what cannot be read has changed.
  return -1;
}

function number(text: string, pointer: string, wrong: FieldProblem[]): number | null {
  if (text.trim() === '') return null;
  const value = Number(text);
  if (Number.isFinite(value)) return value;
  wrong.push({ pointer, code: 'unreadable', detail: `“${text.trim()}” is no number.` });
  return -1;
}

function object(entries: Entry[], pointer: string, wrong: FieldProblem[]): Body {
  const named = entries.filter(({ name, value }) => name.trim() !== '' || value !== '');
  const out: Body = {};
  for (const { name, value, kept } of named) {
    const key = name.trim();
    if (key === '') {
      wrong.push({ pointer, code: 'unreadable', detail: `The value “${value}” has no name.` });
    } else if (Object.hasOwn(out, key)) {
      wrong.push({ pointer, code: 'unreadable', detail: `${key} is there twice.` });
    }
    out[key] = kept && value === '' ? MASK : value;
  }
  return out;
}
