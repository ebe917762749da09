import './attempts.css';
import type { Attempt } from '../../api/types';
import { HeaderBlock } from '../../ui/code';
import { duration } from '../../ui/format';
import { JsonViewer } from '../../ui/json';
import { Answer } from '../../ui/status';
import { Time } from '../../ui/time';
import { Visible } from '../../ui/visible';
import { Waterfall } from '../../ui/waterfall';
import { ERROR_ABOUT } from '../../ui/words';
import { brokeOffIn } from '../event/broke-off';

/** The attempts of a delivery, the last one first and open. */
export function AttemptList({ attempts }: { attempts: Attempt[] }) {
  if (attempts.length === 0) return <p className="muted">It has not been tried yet.</p>;
  return (
    <ol className="attempts">
      {attempts.toReversed().map((attempt, at) => (
        <li key={attempt.number}>
          <details open={at === 0}>
            <summary>
              <span className="attempts-number">{attempt.number}</span>
              <Answer status={attempt.status} error={attempt.error?.class ?? null} />
              {attempt.trigger === 'manual' && <span className="faint small">by hand</span>}
              <span className="end muted small nowrap">{duration(attempt.timings.total_ms)}</span>
              <span className="attempts-at small">
                <Time at={attempt.started_at} />
              </span>
            </summary>
            <AttemptBody attempt={attempt} />
          </details>
        </li>
      ))}
    </ol>
  );
}

function AttemptBody({ attempt }: { attempt: Attempt }) {
  const { error, note, response } = attempt;
  return (
    <div className="stack attempts-body">
      {error && (
        <p>
          {ERROR_ABOUT[error.class]}{' '}
          {error.detail && (
            <span className="muted break">
              <Visible text={error.detail} />
            </span>
          )}
        </p>
      )}
      {note && (
        <p className="muted break">
          <Visible text={note} />
        </p>
      )}
      <Waterfall
        timings={attempt.timings}
        reachedAnswer={attempt.status !== null}
        brokeOffIn={brokeOffIn(attempt)}
      />
      {response && (
        <>
          <JsonViewer
            text={response.body}
            title="Response body"
            truncated={response.truncated}
            fromBytes
          />
          <details>
            <summary className="muted small">Response headers</summary>
            <HeaderBlock headers={Object.entries(response.headers)} title="Response headers" />
          </details>
        </>
      )}
    </div>
  );
}
