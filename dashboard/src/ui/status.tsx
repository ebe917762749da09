import type { Delivery, DeliveryStatus, LastAttempt, Webhook } from '../api/types';
import { useNow } from '../state/now';
import { sentence } from './format';
import { Icon, type IconName } from './icons';
import { Time } from './time';
import { ENDED_BY, ERROR_ABOUT, ERROR_WORDS, STATUS_WORDS, WAITING_FOR, statusText } from './words';

export type Tone = 'ok' | 'warn' | 'bad' | 'wait' | 'off' | 'pause';

/** Icon, word and colour: never the colour alone. */
export function Pill({
  tone,
  icon,
  word,
  tip,
}: {
  tone: Tone;
  icon: IconName;
  word: string;
  tip?: string;
}) {
  return (
    <span className={`pill ${tone}`} data-tip={tip}>
      <Icon name={icon} size={12} />
      {word}
    </span>
  );
}

const OF_DELIVERY: Record<DeliveryStatus, { tone: Tone; icon: IconName }> = {
  pending: { tone: 'wait', icon: 'clock' },
  retrying: { tone: 'warn', icon: 'retry' },
  delivered: { tone: 'ok', icon: 'check' },
  failed: { tone: 'bad', icon: 'cross' },
  cancelled: { tone: 'off', icon: 'stop' },
};

type Told = Pick<Delivery, 'status'> & Partial<Pick<Delivery, 'ended_by' | 'waiting_for'>>;

export function DeliveryStatusPill({ delivery }: { delivery: Told }) {
  const { status, ended_by, waiting_for } = delivery;
  const tip = ended_by ? ENDED_BY[ended_by] : waiting_for ? WAITING_FOR[waiting_for] : undefined;
  if (waiting_for === 'paused') return <Pill tone="pause" icon="pause" word="Paused" tip={tip} />;
  return <Pill {...OF_DELIVERY[status]} word={STATUS_WORDS[status]} tip={tip} />;
}

const OF_WEBHOOK: Record<Webhook['status'], { tone: Tone; icon: IconName; word: string }> = {
  active: { tone: 'ok', icon: 'check', word: 'Active' },
  paused: { tone: 'pause', icon: 'pause', word: 'Paused' },
  disabled: { tone: 'bad', icon: 'stop', word: 'Disabled' },
};

/** `failing` marks an active webhook whose last attempts all failed. */
export function WebhookStatusPill(props: {
  status: Webhook['status'];
  reason?: string | null;
  failing?: boolean;
}) {
  const { status, reason, failing } = props;
  if (status === 'active' && failing) return <Pill tone="warn" icon="warning" word="Failing" />;
  const tip = reason ? sentence(reason) : undefined;
  return <Pill {...OF_WEBHOOK[status]} tip={tip} />;
}

/** What an attempt came to: "503 Unavailable", "Name not found". */
export function Answer({
  status,
  error,
  short,
}: {
  status: number | null;
  error: string | null;
  short?: boolean;
}) {
  if (status !== null) {
    // A redirect is not followed: it has failed like the others.
    const tone = status < 300 ? 'ok' : 'bad';
    return (
      <span className={`answer ${tone}`} data-tip={short ? statusText(status) : undefined}>
        <b>{status}</b>
        {!short && statusText(status) !== '' && <span>{statusText(status)}</span>}
      </span>
    );
  }
  if (error === null) return <span className="faint">–</span>;
  const blocked = error === 'forbidden' || error === 'target_forbidden';
  return (
    <span className={`answer ${blocked ? 'off' : 'bad'}`} data-tip={ERROR_ABOUT[error]}>
      <Icon name={blocked ? 'shield' : 'warning'} size={13} />
      <span>{ERROR_WORDS[error] ?? error}</span>
    </span>
  );
}

export function LastAnswer({ attempt, short }: { attempt: LastAttempt | null; short?: boolean }) {
  if (attempt === null) return <span className="faint">Not tried yet</span>;
  return <Answer status={attempt.status} error={attempt.error} short={short} />;
}

/** What is due is tried as soon as a worker takes it; "6 s ago" would say that it was. */
function Due({ at }: { at: string | null }) {
  const now = useNow();
  if (at !== null && Date.parse(at) <= now) return <span className="muted">now</span>;
  return <Time at={at} />;
}

/** When it is tried next, or why it is not. */
export function NextAttempt({ delivery }: { delivery: Delivery }) {
  if (delivery.ended_at !== null) return <span className="faint">–</span>;
  if (delivery.waiting_for === 'paused') return <span className="muted">when resumed</span>;
  if (delivery.waiting_for === 'concurrency')
    return <span className="muted">when it is its turn</span>;
  return <Due at={delivery.next_attempt_at} />;
}
