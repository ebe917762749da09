import { asProblem } from '../../api/problem';
import type {
  Attempt,
  AttemptErrorClass,
  DeliveryDetail,
  SentRequest,
  Webhook,
} from '../../api/types';
import { useUrlState } from '../../state/url';
import { Banner } from '../../ui/banner';
import { CopyTextButton } from '../../ui/copy';
import { HeaderBlock } from '../../ui/code';
import { curlCommand } from '../../ui/curl';
import { duration } from '../../ui/format';
import { Url } from '../../ui/id';
import { JsonViewer } from '../../ui/json';
import { Skeleton } from '../../ui/list-states';
import { Tabs } from '../../ui/tabs';
import { Visible } from '../../ui/visible';
import { Waterfall } from '../../ui/waterfall';
import { brokeOffIn } from './broke-off';
import { causeOf } from './causes';
import { Changed, SignaturePanel } from './signature';
import { useSentRequest } from './use-event';

interface Props {
  attempt: Attempt;
  before: Attempt | undefined;
  delivery: DeliveryDetail;
  webhook: Webhook | undefined;
}

const PARTS = [
  { id: 'response', label: 'Response' },
  { id: 'request', label: 'Request' },
  { id: 'signature', label: 'Signature' },
] as const;

type Part = (typeof PARTS)[number]['id'];

/** All there is to know of an attempt: why it failed, where its time went, what went both ways. */
export function AttemptBody({ attempt, before, delivery, webhook }: Props) {
  const url = useUrlState();
  const sent = useSentRequest(delivery.id, attempt.number);
  const cause = causeOf(attempt, webhook);
  const asked = url.get('part');
  const part: Part = PARTS.find(({ id }) => id === asked)?.id ?? 'response';
  return (
    <div className="stack">
      {cause && (
        <div className="attempt-cause">
          <p>
            <b>{cause.means}</b> <Visible text={cause.todo} />
          </p>
          {attempt.error?.detail && (
            <p className="mono muted break">
              <Visible text={attempt.error.detail} />
            </p>
          )}
        </div>
      )}
      {attempt.note && (
        <Banner tone="warn">
          <Visible text={attempt.note} />
        </Banner>
      )}
      <div className="attempt-times">
        <Waterfall
          timings={attempt.timings}
          reachedAnswer={attempt.status !== null}
          waitedMs={before === undefined ? waited(attempt, delivery) : undefined}
          brokeOffIn={brokeOffIn(attempt)}
        />
        {before !== undefined && (
          <p className="muted small">
            It began {duration(Math.max(0, gapSince(before, attempt)))} after attempt{' '}
            {before.number} had ended.
          </p>
        )}
      </div>
      <div className="attempt-parts">
        <div className="attempt-curl">
          <CopyTextButton
            text={() => (sent.data ? curlCommand({ ...sent.data, headers: pairs(sent.data) }) : '')}
            label="Copy as curl"
            disabled={sent.data === undefined}
          />
        </div>
        <Tabs
          label={`What attempt ${attempt.number} sent and got`}
          tabs={[...PARTS]}
          value={part}
          onChange={next =>
            url.set({ part: next === 'response' ? null : next, attempt: attempt.number })
          }
        >
          {part === 'response' ? (
            <Response attempt={attempt} />
          ) : sent.data === undefined ? (
            <Unknown error={sent.error} />
          ) : part === 'request' ? (
            <Request sent={sent.data} attempt={attempt} />
          ) : (
            <SignaturePanel sent={sent.data} attempt={attempt} webhook={webhook} />
          )}
        </Tabs>
      </div>
    </div>
  );
}

function Response({ attempt }: { attempt: Attempt }) {
  const { response } = attempt;
  if (response === null) {
    return <p className="muted">No answer came, so there is nothing to show.</p>;
  }
  return (
    <div className="stack tight">
      <JsonViewer text={response.body} title="Body" truncated={response.truncated} fromBytes />
      <HeaderBlock headers={Object.entries(response.headers)} />
    </div>
  );
}

/** Nothing of the request has left where these happened. */
const UNSENT: ReadonlySet<string> = new Set<AttemptErrorClass>([
  'dns',
  'dns_timeout',
  'connect',
  'connect_timeout',
  'tls',
  'forbidden',
  'target_forbidden',
  'signing',
]);

function Request({ sent, attempt }: { sent: SentRequest; attempt: Attempt }) {
  return (
    <div className="stack tight">
      {UNSENT.has(attempt.error?.class ?? '') && (
        <Banner>
          There was no connection, so it was never sent. This is what would have been.
        </Banner>
      )}
      {sent.webhook_changed && <Changed />}
      <p className="request-line">
        <b className="mono">{sent.method}</b>
        <Url url={sent.url} />
      </p>
      <HeaderBlock headers={pairs(sent)} />
      {pairs(sent).some(([, value]) => value.includes('***')) && (
        <p className="muted small">
          Credentials are shown as ***: put them in before you send it with curl.
        </p>
      )}
      <JsonViewer text={sent.body} title="Body" />
    </div>
  );
}

function pairs({ headers }: SentRequest): [string, string][] {
  return headers.map(([name = '', value = '']) => [name, value]);
}

function Unknown({ error }: { error: unknown }) {
  if (!error) return <Skeleton width="100%" height={120} />;
  const problem = asProblem(error);
  return (
    <p className="muted">
      {problem.status === 404
        ? 'It cannot be made again: its webhook was deleted, or what was sent is no longer kept.'
        : problem.detail}
    </p>
  );
}

/** The first attempt is due at acceptance; when later ones were due is not kept. */
function waited(attempt: Attempt, delivery: DeliveryDetail): number {
  return Math.max(0, Date.parse(attempt.started_at) - Date.parse(delivery.accepted_at));
}

function gapSince(before: Attempt, attempt: Attempt): number {
  return Date.parse(attempt.started_at) - Date.parse(before.started_at) - before.timings.total_ms;
}
