import { learnServerTime } from '../state/now';
import { Problem, readProblem } from './problem';
import { tellReached } from './reach';

export type Query = Record<string, string | number | boolean | null | undefined>;

interface Options {
  query?: Query;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** Long enough for a scan of the store, short enough that nobody looks at a skeleton for ever. */
const DEADLINE_MS = 30_000;

/** Said by toasts too, which go when it is reached again. */
export const UNREACHABLE = 'The server cannot be reached.';

const lost = new Set<() => void>();

/** Called when the session is over, so that the login comes up from wherever one is. */
export function onSessionLost(tell: () => void): () => void {
  lost.add(tell);
  return () => lost.delete(tell);
}

export const api = {
  get: <T>(path: string, query?: Query, signal?: AbortSignal) =>
    json<T>('GET', path, { query, signal }),
  /** The answer as it came, for bodies whose bytes matter. */
  text: async (path: string, query?: Query, signal?: AbortSignal) =>
    (await send('GET', path, { query, signal })).text(),
  post: <T>(path: string, body?: unknown, options?: Omit<Options, 'body'>) =>
    json<T>('POST', path, { ...options, body }),
  patch: <T>(path: string, body: unknown) => json<T>('PATCH', path, { body }),
  put: <T>(path: string, body: unknown) => json<T>('PUT', path, { body }),
  delete: <T = void>(path: string) => json<T>('DELETE', path, {}),
};

export function withQuery(path: string, query: Query = {}): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== '') params.set(name, String(value));
  }
  const text = params.toString();
  return text === '' ? path : `${path}?${text}`;
}

async function json<T>(method: string, path: string, options: Options): Promise<T> {
  const response = await send(method, path, options);
  if (response.status === 204) return undefined as T;
  return (await response.json()) as T;
}

async function send(method: string, path: string, options: Options): Promise<Response> {
  const headers: Record<string, string> = { accept: 'application/json', ...options.headers };
  // What a page of another origin cannot send without asking: the server's guard against it.
  if (method !== 'GET') headers['postrider-dashboard'] = '1';
  let body: string | undefined;
  if (options.body !== undefined) {
    // A string is sent as it is: JSON whose bytes matter, or another media type.
    body = typeof options.body === 'string' ? options.body : JSON.stringify(options.body);
    headers['content-type'] ??= 'application/json';
  }
  const deadline = AbortSignal.timeout(DEADLINE_MS);
  const signal = options.signal ? AbortSignal.any([options.signal, deadline]) : deadline;
  let response: Response;
  try {
    response = await fetch(withQuery(path, options.query), { method, headers, body, signal });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    tellReached(false);
    if (deadline.aborted) throw new Problem(0, 'timeout', 'The server did not answer in 30 s.');
    throw new Problem(0, 'unreachable', UNREACHABLE);
  }
  // These two are of a proxy before it, which did not reach it either.
  tellReached(response.status !== 502 && response.status !== 504);
  learnServerTime(response.headers.get('date'));
  if (response.ok) return response;
  const problem = await readProblem(response);
  if (problem.status === 401 && path !== '/v1/session') lost.forEach(tell => tell());
  throw problem;
}
