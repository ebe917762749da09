import type { Problem } from '../../../api/problem';
import { Banner } from '../../../ui/banner';
import { duration } from '../../../ui/format';
import { TextField } from '../../../ui/form';
import { Segments } from '../../../ui/tabs';
import { DEFAULT_RETRY, type RetryDraft } from './draft';
import { parseDuration } from './duration-text';
import { retryError, retryErrorAt } from './errors';

interface Props {
  retry: RetryDraft;
  onChange(patch: Partial<RetryDraft>): void;
  problem: Problem | null;
}

/** When a failed delivery is tried again, and what that comes to. */
export function RetryFields({ retry, onChange, problem }: Props) {
  const text = (
    name: Exclude<keyof RetryDraft, 'policy'>,
    part: string,
    label: string,
    hint?: string,
  ) => (
    <TextField
      label={label}
      hint={hint}
      value={retry[name]}
      placeholder={DEFAULT_RETRY[name]}
      error={retryErrorAt(problem, part)}
      onChange={event => onChange({ [name]: event.target.value })}
    />
  );
  const whole = retryError(problem);
  return (
    <div className="stack">
      <div className="row wrap">
        <Segments
          label="Retry policy"
          value={retry.policy}
          onChange={policy => onChange({ policy })}
          options={[
            { id: 'exponential', label: 'Growing gaps' },
            { id: 'schedule', label: 'A list of gaps' },
          ]}
        />
        <span className="muted small">{planWords(retry)}</span>
      </div>
      {whole && <Banner tone="bad">{whole}</Banner>}
      {retry.policy === 'exponential' ? (
        <div className="webhooks-fields narrow">
          {text('base', 'base_ms', 'First gap')}
          {text('factor', 'factor', 'Times', 'Each gap is so many times the one before.')}
          {text('cap', 'cap_ms', 'Longest gap')}
          {text('attempts', 'max_attempts', 'Attempts', 'In all, at most 100.')}
        </div>
      ) : (
        text('delays', 'delays_ms', 'Gaps', 'One after the other, separated by commas.')
      )}
      <div className="webhooks-fields two">
        {text(
          'maxAge',
          'max_age_ms',
          'Give up after',
          'Counted from acceptance, whatever holds it. At most 30 d.',
        )}
        {text(
          'finalStatuses',
          'final_statuses',
          'Never retry on',
          'Statuses from 400 to 499, separated by commas. None: every failure is tried again.',
        )}
      </div>
    </div>
  );
}

/** "Again after up to 5 s, 15 s, 45 s …: about 16 attempts within 3 d." As the server draws the gaps. */
export function planWords(retry: RetryDraft): string {
  const gaps = gapsOf(retry);
  if (gaps === undefined) return '';
  if (gaps.length === 0) return 'One attempt, no retry.';
  const maxAgeText = retry.maxAge || DEFAULT_RETRY.maxAge;
  const maxAge = parseDuration(maxAgeText) ?? Infinity;
  const grows = retry.policy === 'exponential';
  // It is drawn from half of a growing gap up to all of it, or up to a tenth above one of a list.
  const expected = grows ? 0.75 : 1.05;
  let total = 0;
  const within = gaps.filter(gap => (total += gap * expected) < maxAge);
  if (within.length === 0) return `One attempt: the first gap is longer than ${maxAgeText}.`;
  const shown = within.slice(0, 5).map(duration).join(', ');
  const more = within.length > 5 ? ' …' : '';
  const attempts =
    within.length === gaps.length
      ? `${gaps.length + 1} attempts`
      : `about ${within.length + 1} attempts within ${maxAgeText}, never more than ${gaps.length + 1}`;
  return `Again after ${grows ? 'up to ' : ''}${shown}${more}: ${attempts}.`;
}

function gapsOf(retry: RetryDraft): number[] | undefined {
  if (retry.policy === 'schedule') {
    const gaps = retry.delays.split(/[,\n]/).filter(part => part.trim() !== '');
    const read = gaps.map(parseDuration);
    return read.every(gap => gap !== undefined) ? read : undefined;
  }
  const base = parseDuration(retry.base || DEFAULT_RETRY.base);
  const cap = parseDuration(retry.cap || DEFAULT_RETRY.cap);
  const factor = Number(retry.factor || DEFAULT_RETRY.factor);
  const attempts = Number(retry.attempts || DEFAULT_RETRY.attempts);
  if (base === undefined || cap === undefined || !(factor >= 1) || !(attempts >= 1)) {
    return undefined;
  }
  return Array.from({ length: Math.min(attempts, 100) - 1 }, (_, n) =>
    Math.min(cap, base * factor ** n),
  );
}
