import type { Problem } from '../../../api/problem';
import { fieldError } from '../../../ui/form';
import { sentence } from '../../../ui/format';

/** Rules about the whole webhook come without a pointer; it is known which field they mean. */
const ABOUT: Record<string, string> = {
  timeout_invalid: '/timeout_ms',
  max_in_flight_invalid: '/max_in_flight',
  description_too_long: '/description',
  metadata_too_large: '/metadata',
  headers_invalid: '/headers',
  authorization_conflict: '/headers',
  retry_invalid: '/retry',
  tenant_invalid: '/tenant',
  tenant_required: '/tenant',
  url_taken: '/webhook_url',
};

/** The fields that stand in the form at once; the others are below "Advanced". */
const BASIC = ['/webhook_url', '/event_types', '/description'];
const RETRY_PARTS = [
  'base_ms',
  'factor',
  'cap_ms',
  'max_attempts',
  'delays_ms',
  'max_age_ms',
  'final_statuses',
];

export function errorAt(problem: Problem | null, pointer: string): string | undefined {
  if (problem === null) return undefined;
  const found = fieldError(problem, pointer);
  if (found !== undefined) return sentence(found);
  const means = problem.fields.length === 0 ? ABOUT[problem.code] : undefined;
  return means === pointer ? sentence(problem.detail) : undefined;
}

/** What is wrong with one part of the retry policy: the rule names the part first that it is about. */
export function retryErrorAt(problem: Problem | null, part: string): string | undefined {
  const own = fieldError(problem, `/retry/${part}`);
  if (own !== undefined) return sentence(own);
  const whole = errorAt(problem, '/retry');
  return whole !== undefined && blamed(whole) === part ? whole : undefined;
}

/** What is wrong with the policy, but with none of its parts. */
export function retryError(problem: Problem | null): string | undefined {
  const whole = errorAt(problem, '/retry');
  const ofPart = RETRY_PARTS.some(part => retryErrorAt(problem, part) !== undefined);
  return ofPart ? undefined : whole;
}

function blamed(detail: string): string | undefined {
  const at = (part: string) => detail.indexOf(part);
  return RETRY_PARTS.filter(part => at(part) >= 0).sort((a, b) => at(a) - at(b))[0];
}

/** What belongs to no field and stands above the form. */
export function errorOfForm(problem: Problem | null): string | null {
  if (problem === null || problem.fields.length > 0 || ABOUT[problem.code]) return null;
  return sentence(problem.detail);
}

export function isAdvanced(problem: Problem | null): boolean {
  if (problem === null || errorOfForm(problem) !== null) return false;
  return !BASIC.some(pointer => errorAt(problem, pointer) !== undefined);
}

/** Brings the first wrong field into view, with the cursor in it. */
export function focusWrong(form: HTMLElement | null): void {
  requestAnimationFrame(() => {
    form?.querySelector<HTMLElement>('[aria-invalid=true]')?.focus();
  });
}
