import type { Readiness } from '../../api/types';
import { Skeleton } from '../../ui/list-states';
import { Panel } from '../../ui/page';
import { Pill, type Tone } from '../../ui/status';
import type { IconName } from '../../ui/icons';

interface Word {
  word: string;
  /** What it means and what to do about it. */
  todo: string;
}

interface About {
  name: string;
  ok: string;
  wrong: Record<string, Word>;
  /** Nothing is accepted while it is wrong. */
  stops?: boolean;
}

/** What each check of /readyz looks at, and what to do if it is not in order. */
const ABOUT: Record<string, About> = {
  store: {
    name: 'Store',
    ok: 'The database answers.',
    wrong: {
      unavailable: {
        word: 'Not answering',
        todo: 'Publishers get 503 and send again later. Start the database, or look at its address and password (database_url) and at its connections; it goes on by itself.',
      },
    },
    stops: true,
  },
  space: {
    name: 'Space',
    ok: 'What was accepted last found room.',
    wrong: {
      full: {
        word: 'Full',
        todo: 'The database has no room left, and events are refused with 507. Free space on its disk, or keep things for fewer days (limits.retention_days).',
      },
    },
  },
  queue: {
    name: 'Queue',
    ok: 'The queue answers.',
    wrong: {
      unavailable: {
        word: 'Not answering',
        todo: 'Events are accepted and wait in the database; nothing is sent. Start Redis, or look at its address (redis_url); what waits is sent by itself then.',
      },
    },
  },
  eviction: {
    name: 'Eviction',
    ok: 'The queue forgets nothing it holds.',
    wrong: {
      evicting: {
        word: 'May forget',
        todo: 'Redis may throw away single keys when its memory is full: set its maxmemory-policy to noeviction. Nothing is lost, but deliveries may be late.',
      },
    },
  },
  clock: {
    name: 'Clock',
    ok: 'This machine and the queue have the same time.',
    wrong: {
      skewed: {
        word: 'Off',
        todo: 'The clock of this machine is more than 5 s from that of the queue: times of acceptance and ages are off by as much. Let NTP (chrony, systemd-timesyncd) set it.',
      },
    },
  },
  process: {
    name: 'Process',
    ok: 'The process that answers goes on.',
    wrong: {
      draining: {
        word: 'Stopping',
        todo: 'It was told to stop and finishes what is under way. Another one should be answering; if none is, start it again.',
      },
    },
    stops: true,
  },
};

const ORDER = Object.keys(ABOUT);

export interface Worst {
  ok: boolean;
  wrong: number;
  tone: Tone;
  icon: IconName;
  word: string;
}

/** All of them in one word, for beside a title. */
export function worst(checks: Readiness['checks']): Worst {
  const wrong = Object.entries(checks).filter(([, check]) => check.status !== 'ok');
  const stops = wrong.some(([name]) => ABOUT[name]?.stops);
  const state = { ok: wrong.length === 0, wrong: wrong.length };
  if (state.ok) return { ...state, tone: 'ok', icon: 'check', word: 'In order' };
  if (stops) return { ...state, tone: 'bad', icon: 'stop', word: 'Does not accept events' };
  return { ...state, tone: 'warn', icon: 'warning', word: 'Not all in order' };
}

/** Each check with what to do about it. */
export function Checks({ checks }: { checks: Readiness['checks'] | undefined }) {
  return (
    <Panel title="Checks" about="what /readyz finds, in the process that answers" flush>
      <ul className="queue-checks">
        {checks === undefined
          ? ORDER.map(name => (
              <li key={name}>
                <Skeleton width="60%" />
              </li>
            ))
          : Object.keys(checks)
              .sort((a, b) => place(a) - place(b))
              .map(name => <Check key={name} name={name} status={checks[name]?.status ?? ''} />)}
      </ul>
    </Panel>
  );
}

function Check({ name, status }: { name: string; status: string }) {
  const about = ABOUT[name];
  const wrong = about?.wrong[status];
  const fine = status === 'ok';
  return (
    <li>
      <b className="check-name">{about?.name ?? name}</b>
      <span>
        {fine ? (
          <Pill tone="ok" icon="check" word="In order" />
        ) : (
          <Pill
            tone={about?.stops ? 'bad' : 'warn'}
            icon={about?.stops ? 'stop' : 'warning'}
            word={wrong?.word ?? status}
          />
        )}
      </span>
      <span className={fine ? 'muted' : undefined}>
        {fine ? about?.ok : (wrong?.todo ?? 'The log of the process says more.')}
      </span>
    </li>
  );
}

function place(name: string): number {
  const at = ORDER.indexOf(name);
  return at === -1 ? ORDER.length : at;
}
