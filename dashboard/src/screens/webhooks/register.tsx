import { useQueryClient } from '@tanstack/react-query';
import { useRef, useState, type FormEvent } from 'react';
import { api } from '../../api/client';
import { asProblem, type Problem } from '../../api/problem';
import { useTenant } from '../../api/queries';
import { useSession } from '../../api/session';
import type { Registered, Webhook } from '../../api/types';
import { Banner } from '../../ui/banner';
import { Button } from '../../ui/button';
import { Dialog } from '../../ui/dialog';
import { TextField } from '../../ui/form';
import { registration } from './form/body';
import { NEW_DRAFT, type Draft } from './form/draft';
import { EntriesField } from './form/entries';
import { errorAt, errorOfForm, focusWrong, isAdvanced } from './form/errors';
import { BasicFields, RequestFields } from './form/fields';
import { useKnownTypes } from './form/known-types';
import { RetryFields } from './form/retry';

interface Props {
  onMade(webhook: Registered | Webhook): void;
  onClose(): void;
}

/** Registers a webhook. */
export function RegisterDialog({ onMade, onClose }: Props) {
  const client = useQueryClient();
  const { session } = useSession();
  const tenant = useTenant();
  const form = useRef<HTMLFormElement>(null);
  const [draft, setDraft] = useState<Draft>({ ...NEW_DRAFT, tenant: tenant ?? '' });
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const [advanced, setAdvanced] = useState(false);
  const known = useKnownTypes(draft.tenant || undefined);
  const change = (patch: Partial<Draft>) => setDraft(before => ({ ...before, ...patch }));

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      onMade(await api.post<Registered | Webhook>('/v1/webhooks/register', bodyOf(draft, session)));
      await client.invalidateQueries();
    } catch (error) {
      const found = asProblem(error);
      setProblem(found);
      if (isAdvanced(found)) setAdvanced(true);
      focusWrong(form.current);
    }
    setBusy(false);
  };

  const wrong = errorOfForm(problem);
  const inbox = `${window.location.origin}/dev/inbox/demo`;
  return (
    <Dialog title="Register webhook" onClose={onClose} wide>
      <form ref={form} className="stack" noValidate onSubmit={event => void submit(event)}>
        <BasicFields draft={draft} change={change} problem={problem} known={known} />
        {session?.dev && draft.url === '' && (
          <p className="muted small">
            Nothing to receive it yet?{' '}
            <button type="button" className="link" onClick={() => change({ url: inbox })}>
              Use the inbox of this server
            </button>
          </p>
        )}
        <details
          className="webhooks-advanced"
          open={advanced}
          onToggle={event => setAdvanced(event.currentTarget.open)}
        >
          <summary>
            Advanced <span className="faint small">format, signature, retries, headers …</span>
          </summary>
          <div className="stack wide">
            {session?.tenant === null && (
              <TextField
                label="Tenant"
                optional
                hint="Whose events it gets."
                value={draft.tenant}
                placeholder="default"
                spellCheck={false}
                autoCapitalize="off"
                error={errorAt(problem, '/tenant')}
                onChange={event => change({ tenant: event.target.value })}
              />
            )}
            <RequestFields draft={draft} change={change} problem={problem} />
            <section className="stack tight">
              <h3>Retries</h3>
              <RetryFields
                retry={draft.retry}
                problem={problem}
                onChange={patch => change({ retry: { ...draft.retry, ...patch } })}
              />
            </section>
            <section className="stack tight">
              <h3>Headers</h3>
              <EntriesField
                what="header"
                entries={draft.headers}
                error={errorAt(problem, '/headers')}
                hint="Sent with every request. Values that carry credentials are encrypted and never shown again."
                onChange={headers => change({ headers })}
              />
            </section>
            <section className="stack tight">
              <h3>Metadata</h3>
              <EntriesField
                what="metadata entry"
                entries={draft.metadata}
                error={errorAt(problem, '/metadata')}
                hint="For your programs; it is not sent."
                onChange={metadata => change({ metadata })}
              />
            </section>
            <TextField
              label="Signing secret"
              optional
              hint="One of your own: whsec_ and the base64 of 24 to 64 bytes. Empty: a new one is made."
              className="input mono"
              value={draft.secret}
              placeholder="whsec_…"
              spellCheck={false}
              error={errorAt(problem, '/secret')}
              onChange={event => change({ secret: event.target.value })}
            />
          </div>
        </details>
        {wrong !== null && <Banner tone="bad">{wrong}</Banner>}
        <div className="dialog-actions">
          <Button onClick={onClose}>Not now</Button>
          <Button type="submit" look="primary" busy={busy}>
            Register webhook
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

/** The tenant of a key that has one is not said: it is the only one that the key may name. */
function bodyOf(draft: Draft, session: { tenant: string | null } | null) {
  return registration(session?.tenant === null ? draft : { ...draft, tenant: '' });
}
