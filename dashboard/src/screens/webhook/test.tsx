import { useId, useState, type FormEvent } from 'react';
import { api } from '../../api/client';
import { asProblem, type Problem } from '../../api/problem';
import { rawMember } from '../../api/raw';
import { useSession } from '../../api/session';
import type { Event, Page, Tested, Webhook } from '../../api/types';
import { useUrlState } from '../../state/url';
import { sentence } from '../../ui/format';
import { Banner } from '../../ui/banner';
import { Button } from '../../ui/button';
import { TextAreaField, TextField } from '../../ui/form';
import { prettyTokens } from '../../ui/json-text';
import { State } from '../../ui/list-states';
import { Panel } from '../../ui/page';
import { say } from '../../ui/toast';
import { errorAt } from '../webhooks/form/errors';
import { useKnownTypes } from '../webhooks/form/known-types';
import { Watch } from './watch';

const TYPE = 'postrider.test';
const DATA = '{\n  "message": "This is a test from Postrider."\n}';

/** Tries the webhook out: one event for it alone, and what came of it. */
export function TestTab({ webhook }: { webhook: Webhook }) {
  const url = useUrlState();
  const { may } = useSession();
  const delivery = url.get('delivery');
  return (
    <div className="webhook-test">
      {may('manage') ? (
        <TestForm
          webhook={webhook}
          onSent={({ delivery_id }) => url.set({ delivery: delivery_id }, { push: true })}
        />
      ) : (
        <Banner>Your key may look, but not send test events.</Banner>
      )}
      {delivery === null ? (
        <State icon="test" title="Nothing was sent yet">
          What the receiver answers shows up here: each attempt, how long it took, and the answer
          itself.
        </State>
      ) : (
        <Watch key={delivery} id={delivery} webhook={webhook} />
      )}
    </div>
  );
}

function TestForm({ webhook, onSent }: { webhook: Webhook; onSent(tested: Tested): void }) {
  const known = useKnownTypes(webhook.tenant);
  const [type, setType] = useState('');
  const [data, setData] = useState(DATA);
  const [busy, setBusy] = useState(false);
  const [loading, setLoading] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const listId = useId();
  const disabled = webhook.status === 'disabled';
  const broken = jsonProblem(data);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (broken !== undefined) return;
    setBusy(true);
    setProblem(null);
    try {
      // The data goes out as it was typed: parsing would change numbers such as 1.0.
      const parts = [`"type":${JSON.stringify(type.trim() || TYPE)}`];
      if (data.trim() !== '') parts.push(`"data":${data.trim()}`);
      onSent(await api.post<Tested>(`/v1/webhooks/${webhook.id}/test`, `{${parts.join(',')}}`));
    } catch (error) {
      setProblem(asProblem(error));
    }
    setBusy(false);
  };

  const takeLast = async () => {
    setLoading(true);
    try {
      const last = await lastDataOf(type.trim(), webhook.tenant);
      if (last === undefined) say({ tone: 'info', text: `No ${type.trim()} is on record.` });
      else setData(last);
    } catch (error) {
      say({ tone: 'bad', text: asProblem(error).detail });
    }
    setLoading(false);
  };

  const typeError = errorAt(problem, '/type');
  const dataError = broken ?? errorAt(problem, '/data');
  return (
    <Panel title="Test event" about="for this webhook alone">
      <form className="stack" noValidate onSubmit={event => void submit(event)}>
        <TextField
          label="Event type"
          optional
          hint="Any: it comes here whatever types the webhook wants."
          value={type}
          placeholder={TYPE}
          list={listId}
          spellCheck={false}
          autoCapitalize="off"
          error={typeError}
          onChange={event => setType(event.target.value)}
        />
        <datalist id={listId}>
          {known.map(name => (
            <option key={name} value={name} />
          ))}
        </datalist>
        {known.includes(type.trim()) && (
          <p className="webhook-take">
            <Button small icon="download" busy={loading} onClick={() => void takeLast()}>
              Take the data of the last one
            </Button>
          </p>
        )}
        <TextAreaField
          label="Data"
          hint="Any JSON. It is sent as it stands here."
          rows={10}
          value={data}
          error={dataError}
          onChange={event => setData(event.target.value)}
        />
        {disabled && (
          <Banner tone="warn">
            The webhook is disabled: resume it first, then it can be tried.
          </Banner>
        )}
        {webhook.status === 'paused' && (
          <Banner>The webhook is paused: a test event waits until it is resumed.</Banner>
        )}
        {problem !== null && typeError === undefined && !problem.fields.length && (
          <Banner tone="bad">{sentence(problem.detail)}</Banner>
        )}
        <div className="row">
          <Button
            type="submit"
            look="primary"
            icon="delivery"
            busy={busy}
            disabled={disabled || broken !== undefined}
          >
            Send test event
          </Button>
        </div>
      </form>
    </Panel>
  );
}

function jsonProblem(text: string): string | undefined {
  if (text.trim() === '') return undefined;
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    return `This is no JSON yet: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** The data of the newest event of a type, laid out but with every number as it was published. */
async function lastDataOf(type: string, tenant: string): Promise<string | undefined> {
  const page = await api.get<Page<Event>>('/v1/events', { type, tenant, limit: 1 });
  const [event] = page.data;
  if (event === undefined) return undefined;
  const raw = rawMember(await api.text(`/v1/events/${event.uid}`), 'data');
  if (raw === undefined) return undefined;
  return (
    prettyTokens(raw)
      ?.map(({ text }) => text)
      .join('') ?? raw
  );
}
