import { useQueryClient } from '@tanstack/react-query';
import { useRef, useState, type FormEvent, type ReactNode } from 'react';
import { api } from '../../api/client';
import { asProblem, type Problem } from '../../api/problem';
import { useSession } from '../../api/session';
import type { Webhook } from '../../api/types';
import { Banner } from '../../ui/banner';
import { Button } from '../../ui/button';
import { plural } from '../../ui/format';
import { Panel } from '../../ui/page';
import { say } from '../../ui/toast';
import { changes, countChanges } from '../webhooks/form/body';
import { draftOf, type Draft } from '../webhooks/form/draft';
import { EntriesField } from '../webhooks/form/entries';
import { errorAt, errorOfForm, focusWrong } from '../webhooks/form/errors';
import { BasicFields, RequestFields } from '../webhooks/form/fields';
import { useKnownTypes } from '../webhooks/form/known-types';
import { RetryFields } from '../webhooks/form/retry';
import type { Editing } from './draft-kept';

interface Props {
  webhook: Webhook;
  editing: Editing | null;
  onEdit(editing: Editing | null): void;
}

/** Every field of a webhook. Only what was changed is sent, so what others change meanwhile stays. */
export function SettingsTab({ webhook, editing, onEdit }: Props) {
  const client = useQueryClient();
  const { may } = useSession();
  const form = useRef<HTMLFormElement>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const known = useKnownTypes(webhook.tenant);
  const manages = may('manage');
  const { draft, before } = editing ?? unchanged(webhook);
  const changed = editing === null ? 0 : countChanges(draft, before);
  const change = (patch: Partial<Draft>) => onEdit({ draft: { ...draft, ...patch }, before });

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      const body = changes(draft, before);
      const saved = await api.patch<Webhook>(`/v1/webhooks/${webhook.id}`, body);
      client.setQueryData(['webhook', webhook.id], saved);
      onEdit(null);
      say({
        text: `${plural(Object.keys(body).length, 'change')} saved. Waiting deliveries use the new settings too.`,
      });
      await client.invalidateQueries();
    } catch (error) {
      setProblem(asProblem(error));
      focusWrong(form.current);
    }
    setBusy(false);
  };

  const wrong = errorOfForm(problem);
  return (
    <form ref={form} noValidate onSubmit={event => void submit(event)}>
      {!manages && <Banner>Your key may look at these settings, but not change them.</Banner>}
      <fieldset className="webhook-settings" disabled={!manages}>
        <legend className="hidden-text">Settings</legend>
        <Section title="Receiver" about="Who is told, and of what.">
          <BasicFields draft={draft} change={change} problem={problem} known={known} />
        </Section>
        <Section
          title="Requests"
          about="What a request looks like. Deliveries that wait follow a change."
        >
          <RequestFields draft={draft} change={change} problem={problem} />
        </Section>
        <Section
          title="Retries"
          about="When a failed delivery is tried again, and when it is given up."
        >
          <RetryFields
            retry={draft.retry}
            problem={problem}
            onChange={patch => change({ retry: { ...draft.retry, ...patch } })}
          />
        </Section>
        <Section
          title="Headers"
          about="Sent with every request. Values that carry credentials are encrypted and never shown again."
        >
          <EntriesField
            what="header"
            entries={draft.headers}
            error={errorAt(problem, '/headers')}
            onChange={headers => change({ headers })}
          />
        </Section>
        <Section title="Metadata" about="For your programs; it is not sent.">
          <EntriesField
            what="metadata entry"
            entries={draft.metadata}
            error={errorAt(problem, '/metadata')}
            onChange={metadata => change({ metadata })}
          />
        </Section>
      </fieldset>
      {changed > 0 && (
        <div className="webhook-save" role="region" aria-label="Changes">
          {wrong === null ? (
            <span className="grow">{plural(changed, 'field')} changed, not saved yet</span>
          ) : (
            <span className="grow webhook-bad" role="alert">
              {wrong}
            </span>
          )}
          <Button
            onClick={() => {
              onEdit(null);
              setProblem(null);
            }}
          >
            Discard
          </Button>
          <Button type="submit" look="primary" busy={busy}>
            Save {plural(changed, 'change')}
          </Button>
        </div>
      )}
    </form>
  );
}

function Section({
  title,
  about,
  children,
}: {
  title: string;
  about: string;
  children: ReactNode;
}) {
  return (
    <Panel className="webhook-section">
      <div className="webhook-section-head">
        <h2>{title}</h2>
        <p className="muted small">{about}</p>
      </div>
      <div className="stack">{children}</div>
    </Panel>
  );
}

function unchanged(webhook: Webhook): Editing {
  const draft = draftOf(webhook);
  return { draft, before: draft };
}
