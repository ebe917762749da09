import { sentence } from '../ui/format';

/** What the API says is wrong with one field: a JSON Pointer into the body that was sent. */
export interface FieldProblem {
  pointer: string;
  code: string;
  detail: string;
}

/** An answer that is no success: problem+json (RFC 9457), or what stands for it without an answer. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly fields: FieldProblem[] = [],
    readonly retryAfterMs: number | null = null,
  ) {
    super(detail);
    this.name = 'Problem';
  }
}

export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem(0, 'unexpected', error instanceof Error ? error.message : String(error));
}

export async function readProblem(response: Response): Promise<Problem> {
  const wait = Number(response.headers.get('retry-after'));
  const retryAfterMs = wait > 0 ? wait * 1_000 : null;
  const body: unknown = await response.json().catch(() => null);
  const { code, detail, title, errors } = (body ?? {}) as Record<string, unknown>;
  return new Problem(
    response.status,
    typeof code === 'string' ? code : `http_${response.status}`,
    sentence(text(detail) ?? text(title) ?? `The server answered ${response.status}.`),
    Array.isArray(errors) ? (errors as FieldProblem[]).map(inWords) : [],
    retryAfterMs,
  );
}

/** The API writes for logs too; here it is read by people. */
function inWords(field: FieldProblem): FieldProblem {
  return { ...field, detail: sentence(field.detail) };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
