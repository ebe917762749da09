import './form.css';
import type { Problem } from '../../../api/problem';
import { SelectField, TextField } from '../../../ui/form';
import type { Draft } from './draft';
import { errorAt } from './errors';
import { EventTypesField } from './event-types';
import { InboxHint } from './inbox';

export interface FieldsProps {
  draft: Draft;
  change(patch: Partial<Draft>): void;
  problem: Problem | null;
}

export const URL_PLACEHOLDER = 'https://application.com/v1/new-purchase';

/** Where events go, which, and what people call it. */
export function BasicFields({ draft, change, problem, known }: FieldsProps & { known: string[] }) {
  return (
    <>
      <TextField
        label="URL"
        value={draft.url}
        placeholder={URL_PLACEHOLDER}
        inputMode="url"
        spellCheck={false}
        autoCapitalize="off"
        required
        error={errorAt(problem, '/webhook_url')}
        onChange={event => change({ url: event.target.value })}
      />
      <InboxHint url={draft.url} onChange={url => change({ url })} />
      <EventTypesField
        value={draft.eventTypes}
        known={known}
        error={errorAt(problem, '/event_types')}
        onChange={eventTypes => change({ eventTypes })}
      />
      <TextField
        label="Description"
        optional
        value={draft.description}
        placeholder="What it is for, who looks after it"
        error={errorAt(problem, '/description')}
        onChange={event => change({ description: event.target.value })}
      />
    </>
  );
}

const FORMATS: Record<Draft['payloadFormat'], string> = {
  standard: '{"type": …, "timestamp": …, "data": …} as Standard Webhooks has it',
  raw: 'The published data and nothing else',
  event: '{"event": <data>, "date": …}',
};

const SCHEMES: Record<Draft['scheme'], string> = {
  standard: 'webhook-signature: an HMAC over id, time and body',
  jwt: 'authorization: a token that holds the hash of the body',
};

/** What the requests look like and how many there are at once. */
export function RequestFields({ draft, change, problem }: FieldsProps) {
  return (
    <div className="webhooks-fields">
      <SelectField
        label="Payload format"
        hint={FORMATS[draft.payloadFormat]}
        value={draft.payloadFormat}
        error={errorAt(problem, '/payload_format')}
        onChange={event => change({ payloadFormat: event.target.value as Draft['payloadFormat'] })}
      >
        <option value="standard">Standard</option>
        <option value="raw">Raw</option>
        <option value="event">Event</option>
      </SelectField>
      <SelectField
        label="Signature"
        hint={SCHEMES[draft.scheme]}
        value={draft.scheme}
        error={errorAt(problem, '/signature')}
        onChange={event => change({ scheme: event.target.value as Draft['scheme'] })}
      >
        <option value="standard">Standard Webhooks</option>
        <option value="jwt">JWT</option>
      </SelectField>
      <SelectField
        label="Method"
        value={draft.method}
        error={errorAt(problem, '/method')}
        onChange={event => change({ method: event.target.value as Draft['method'] })}
      >
        <option>POST</option>
        <option>PUT</option>
        <option>PATCH</option>
      </SelectField>
      <TextField
        label="Timeout"
        hint="Of a whole attempt, from 1 s to 30 s."
        value={draft.timeout}
        placeholder="15 s"
        error={errorAt(problem, '/timeout_ms')}
        onChange={event => change({ timeout: event.target.value })}
      />
      <TextField
        label="Requests at once"
        hint="Max in flight, from 1 to 256. Others wait their turn."
        inputMode="numeric"
        value={draft.maxInFlight}
        placeholder="16"
        error={errorAt(problem, '/max_in_flight')}
        onChange={event => change({ maxInFlight: event.target.value })}
      />
    </div>
  );
}
