import './timeline.css';
import { useRef, useState } from 'react';
import type { Attempt, DeliveryDetail, Webhook } from '../../api/types';
import { useShortcut } from '../../state/keys';
import { useUrlState } from '../../state/url';
import { bytes, duration, plural } from '../../ui/format';
import { Icon } from '../../ui/icons';
import { isBinary } from '../../ui/json-text';
import { Answer } from '../../ui/status';
import { Time } from '../../ui/time';
import { AttemptBody } from './attempt-body';
import { PlannedRows } from './planned';

/** More than this are folded: what matters is the first and the last ones. */
const SHOWN_MAX = 20;
const SHOWN_FIRST = 2;

/** One row per attempt along a rail, then the planned ones; j and k walk, one is open at a time. */
export function Timeline({
  delivery,
  webhook,
}: {
  delivery: DeliveryDetail;
  webhook: Webhook | undefined;
}) {
  const url = useUrlState();
  const list = useRef<HTMLOListElement>(null);
  const [unfolded, setUnfolded] = useState(false);
  const { attempts } = delivery;
  // The last one, and still the same when another comes while somebody reads.
  const [lastAtFirst] = useState(attempts.at(-1)?.number);
  const asked = url.get('attempt');
  const open = asked === null ? (lastAtFirst ?? attempts.at(-1)?.number) : Number(asked);
  const toggle = (number: number) => url.set({ attempt: open === number ? 0 : number });

  const walk = (by: number) => {
    const rows = [...(list.current?.querySelectorAll<HTMLElement>('.attempt-head') ?? [])];
    const focused = rows.findIndex(row => row === document.activeElement);
    const opened = rows.findIndex(row => row.getAttribute('aria-expanded') === 'true');
    const from = focused >= 0 ? focused : opened;
    const row = rows[from < 0 ? 0 : Math.min(Math.max(from + by, 0), rows.length - 1)];
    row?.focus({ preventScroll: true });
    row?.scrollIntoView({ block: 'nearest' });
  };
  useShortcut('j', () => walk(1), attempts.length > 0);
  useShortcut('k', () => walk(-1), attempts.length > 0);

  const folded = unfolded ? 0 : Math.max(0, attempts.length - SHOWN_MAX);
  const shown = attempts.filter(
    (attempt, at) => at < SHOWN_FIRST || at >= SHOWN_FIRST + folded || attempt.number === open,
  );
  return (
    <ol className="timeline" ref={list} aria-label="Attempts, first to last">
      {shown.map((attempt, at) => {
        const before = attempts[attempts.indexOf(attempt) - 1];
        return [
          folded > 0 && at === SHOWN_FIRST && (
            <li key="folded" className="timeline-fold">
              <button type="button" className="link" onClick={() => setUnfolded(true)}>
                Show {plural(folded, 'attempt')} between
              </button>
            </li>
          ),
          <AttemptRow
            key={attempt.number}
            attempt={attempt}
            before={before}
            delivery={delivery}
            webhook={webhook}
            open={attempt.number === open}
            onToggle={() => toggle(attempt.number)}
          />,
        ];
      })}
      <PlannedRows delivery={delivery} webhook={webhook} />
    </ol>
  );
}

interface RowProps {
  attempt: Attempt;
  before: Attempt | undefined;
  delivery: DeliveryDetail;
  webhook: Webhook | undefined;
  open: boolean;
  onToggle(): void;
}

function AttemptRow({ attempt, before, delivery, webhook, open, onToggle }: RowProps) {
  const { number, status, error, trigger, response, timings } = attempt;
  const ok = status !== null && status >= 200 && status < 300;
  const id = `attempt-${number}`;
  return (
    <li className={`timeline-row ${ok ? 'ok' : 'bad'}`}>
      <span className="timeline-dot" aria-hidden="true">
        <Icon name={ok ? 'check' : 'cross'} size={12} />
      </span>
      <button
        type="button"
        className="attempt-head"
        aria-expanded={open}
        aria-controls={id}
        onClick={onToggle}
      >
        <span className="attempt-number">
          <span className="hidden-text">Attempt </span>
          <span aria-hidden="true">#</span>
          {number}
        </span>
        <span className="attempt-answer">
          <Answer status={status} error={error?.class ?? null} />
        </span>
        <span className="attempt-trigger">
          {trigger === 'manual' ? 'by hand' : before === undefined ? 'first try' : 'planned retry'}
        </span>
        <span className="attempt-size">{response && answered(response)}</span>
        <span className="attempt-duration">{duration(timings.total_ms)}</span>
        <span className="attempt-started">
          <Time at={attempt.started_at} as="clock" />
        </span>
        <span className="attempt-chevron">
          <Icon name="down" size={14} />
        </span>
      </button>
      {open && (
        <div id={id} className="attempt-body">
          <AttemptBody attempt={attempt} before={before} delivery={delivery} webhook={webhook} />
        </div>
      )}
    </li>
  );
}

/** How much came; of what is not text only the headers may tell it. */
function answered({ body, headers, truncated }: NonNullable<Attempt['response']>): string {
  if (body === '' && !truncated) return '';
  if (!isBinary(body)) {
    return `${bytes(new TextEncoder().encode(body).length)}${truncated ? '+' : ''} answered`;
  }
  const told = headers['content-length'];
  const isWhole = told !== undefined && /^\d+$/.test(told) && !headers['content-encoding'];
  return isWhole ? `${bytes(Number(told))} answered` : 'answered, not text';
}
