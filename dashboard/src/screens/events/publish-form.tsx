import { useEffect, useMemo, useState, type FormEvent } from 'react';
import { api } from '../../api/client';
import { asProblem, type Problem } from '../../api/problem';
import { useSession } from '../../api/session';
import type { Published } from '../../api/types';
import { Banner } from '../../ui/banner';
import { Button } from '../../ui/button';
import { CopyTextButton } from '../../ui/copy';
import { fieldError, formError, TextAreaField, TextField } from '../../ui/form';
import { bytes } from '../../ui/format';
import { useKnownTypes } from './filters';
import { jsonFault, type JsonFault } from './json-fault';
import { pretty, publishBody, publishCurl, TYPE_PATTERN, type Draft } from './publish-request';
import { Receivers } from './receivers';

interface Props {
  begin: Draft;
  onChange(draft: Draft): void;
  /** It begins with what was typed before; this begins without it. */
  onAnew?: () => void;
  onSent(draft: Draft, answer: Published): void;
  onClose(): void;
}

const POINTERS = ['/type', '/tenant', '/id', '/data'];

export function PublishForm({ begin, onChange, onAnew, onSent, onClose }: Props) {
  const { session } = useSession();
  const types = useKnownTypes();
  const [draft, setDraft] = useState(begin);
  const [typeLeft, setTypeLeft] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const fault = useMemo(() => jsonFault(draft.data), [draft.data]);
  const typeIsValid = TYPE_PATTERN.test(draft.type);
  const typeError =
    typeLeft && draft.type !== '' && !typeIsValid
      ? 'Words of letters, digits and _ joined by dots, such as order.paid.'
      : undefined;
  const change = (patch: Partial<Draft>) => {
    const changed = { ...draft, ...patch };
    setDraft(changed);
    onChange(changed);
    setProblem(null);
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!typeIsValid || fault !== null || busy) return setTypeLeft(true);
    setBusy(true);
    setProblem(null);
    try {
      onSent(draft, await api.post('/v1/events', publishBody(draft)));
    } catch (error) {
      setProblem(asProblem(error));
      setBusy(false);
    }
  };
  const top = formError(problem, POINTERS);
  return (
    <form className="stack" onSubmit={event => void submit(event)}>
      {onAnew && (
        <p className="muted small">
          This is what you typed before.{' '}
          <button type="button" className="link" onClick={onAnew}>
            Begin anew
          </button>
        </p>
      )}
      <div className="publish-fields">
        <TextField
          label="Event type"
          placeholder="order.paid"
          value={draft.type}
          list="publish-types"
          required
          autoFocus
          spellCheck={false}
          error={fieldError(problem, '/type') ?? typeError}
          onChange={event => change({ type: event.target.value.trim() })}
          onBlur={() => setTypeLeft(true)}
        />
        <datalist id="publish-types">
          {types.map(type => (
            <option key={type} value={type} />
          ))}
        </datalist>
        {session?.tenant === null && (
          <TextField
            label="Tenant"
            optional
            placeholder="default"
            value={draft.tenant}
            spellCheck={false}
            error={fieldError(problem, '/tenant')}
            onChange={event => change({ tenant: event.target.value.trim() })}
          />
        )}
        <TextField
          label="Id"
          optional
          placeholder="made for it"
          hint="Publishing the same id again changes nothing."
          value={draft.id}
          spellCheck={false}
          error={fieldError(problem, '/id')}
          onChange={event => change({ id: event.target.value.trim() })}
        />
      </div>
      <div className="publish-data">
        <TextAreaField
          label="Data"
          hint={<DataHint fault={fault} data={draft.data} />}
          error={fieldError(problem, '/data')}
          rows={9}
          value={draft.data}
          onChange={event => change({ data: event.target.value })}
          onKeyDown={event => {
            if (event.key !== 'Enter' || !(event.metaKey || event.ctrlKey)) return;
            event.currentTarget.form?.requestSubmit();
          }}
        />
        <Button
          small
          look="quiet"
          data-tip="Indent it"
          disabled={fault !== null}
          onClick={() => change({ data: pretty(draft.data) })}
        >
          Format
        </Button>
      </div>
      <section className="publish-receivers" aria-label="Who would receive it">
        <Who type={draft.type} tenant={draft.tenant} />
      </section>
      <div className="dialog-actions publish-foot">
        {top !== null && <Banner tone="bad">{top}</Banner>}
        <span className="publish-copy">
          <CopyTextButton
            text={() => publishCurl(draft)}
            label="Copy as curl"
            disabled={!typeIsValid || fault !== null}
          />
        </span>
        <Button onClick={onClose}>Not now</Button>
        <Button
          type="submit"
          look="primary"
          busy={busy}
          disabled={draft.type === '' || fault !== null}
        >
          Publish event
        </Button>
      </div>
    </form>
  );
}

function DataHint({ fault, data }: { fault: JsonFault | null; data: string }) {
  const size = useMemo(() => new TextEncoder().encode(data.trim()).length, [data]);
  return (
    <span role="status" className="publish-check">
      {fault === null ? (
        <>Valid JSON, {bytes(size)}. Subscribers get it byte for byte.</>
      ) : (
        <>
          <span className="field-error">
            Line {fault.line}, column {fault.column}: {fault.message}
          </span>
          <Excerpt fault={fault} />
        </>
      )}
    </span>
  );
}

const AROUND = 36;

/** The place itself, with a mark below it. */
function Excerpt({ fault }: { fault: JsonFault }) {
  const from = Math.max(0, fault.column - 1 - AROUND);
  const text = fault.text.slice(from, fault.column - 1 + AROUND);
  if (text.trim() === '') return null;
  return (
    <code className="publish-excerpt" aria-hidden="true">
      {text.replaceAll('\t', ' ')}
      {'\n'}
      {' '.repeat(fault.column - 1 - from)}^
    </code>
  );
}

const PAUSE_MS = 350;

/** Asked when one stops typing. */
function Who({ type, tenant }: { type: string; tenant: string }) {
  const [asked, setAsked] = useState({ type, tenant });
  useEffect(() => {
    const timer = window.setTimeout(setAsked, PAUSE_MS, { type, tenant });
    return () => window.clearTimeout(timer);
  }, [type, tenant]);
  if (!TYPE_PATTERN.test(asked.type)) {
    return <p className="muted small">With a type it is said here who would receive it.</p>;
  }
  return <Receivers type={asked.type} tenant={asked.tenant} />;
}
