import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { Webhook } from '../../api/types';
import { Button } from '../../ui/button';
import { Confirm } from '../../ui/dialog';
import { plural } from '../../ui/format';
import { say } from '../../ui/toast';
import { actOnWebhooks, type BulkVerb } from './actions';
import { nameOf } from '../../ui/url-parts';
import { forgetDraft } from '../webhook/draft-kept';

interface Props {
  chosen: Webhook[];
  onClear(): void;
}

/** Which of the chosen an action can do anything with. */
const TAKES: Record<BulkVerb, (webhook: Webhook) => boolean> = {
  pause: ({ status }) => status === 'active',
  resume: ({ status }) => status !== 'active',
  test: ({ status }) => status !== 'disabled',
  delete: () => true,
};

const WORDS: Record<BulkVerb, { title: string; verb: string; done: string; about: string }> = {
  pause: {
    title: 'Pause webhooks',
    verb: 'Pause',
    done: 'paused',
    about: 'Deliveries go on being made and wait until they are resumed, or too old.',
  },
  resume: {
    title: 'Resume webhooks',
    verb: 'Resume',
    done: 'active again',
    about: 'What waited is sent. What had failed stays failed until it is retried.',
  },
  test: {
    title: 'Send test events',
    verb: 'Send a test event to',
    done: 'sent a test event',
    about: 'Each gets one event of the type postrider.test, whatever types it wants.',
  },
  delete: {
    title: 'Delete webhooks',
    verb: 'Delete',
    done: 'deleted',
    about:
      'Their secrets are forgotten and deliveries that wait are cancelled. This cannot be undone.',
  },
};

/** What can be done with the chosen rows. */
export function WebhooksBulkBar({ chosen, onClear }: Props) {
  const [asked, setAsked] = useState<BulkVerb | null>(null);
  const button = (verb: BulkVerb, label: string, icon: 'pause' | 'play' | 'test' | 'trash') => (
    <Button small icon={icon} disabled={!chosen.some(TAKES[verb])} onClick={() => setAsked(verb)}>
      {label}
    </Button>
  );
  return (
    <div className="webhooks-bulk" role="region" aria-label="Selection">
      <b>{plural(chosen.length, 'webhook')} selected</b>
      <span className="row wrap end">
        {button('pause', 'Pause…', 'pause')}
        {button('resume', 'Resume…', 'play')}
        {button('test', 'Send test event…', 'test')}
        {button('delete', 'Delete…', 'trash')}
        <Button small look="quiet" onClick={onClear}>
          Clear selection
        </Button>
      </span>
      {asked !== null && (
        <BulkConfirm
          verb={asked}
          webhooks={chosen.filter(TAKES[asked])}
          leftOut={chosen.filter(webhook => !TAKES[asked](webhook)).length}
          onClose={() => setAsked(null)}
          onDone={onClear}
        />
      )}
    </div>
  );
}

const SHOWN = 8;

function BulkConfirm({
  verb,
  webhooks,
  leftOut,
  onClose,
  onDone,
}: {
  verb: BulkVerb;
  webhooks: Webhook[];
  leftOut: number;
  onClose(): void;
  onDone(): void;
}) {
  const client = useQueryClient();
  const [progress, setProgress] = useState(0);
  const words = WORDS[verb];
  const only = webhooks.length === 1 ? webhooks[0] : undefined;
  const disabled = webhooks.filter(({ status }) => status === 'disabled').length;
  const run = async () => {
    const ids = webhooks.map(({ id }) => id);
    const { done, problems } = await actOnWebhooks(verb, ids, setProgress);
    const [why] = problems;
    say({
      tone: why === undefined ? 'ok' : 'bad',
      text:
        `${plural(done, 'webhook')} ${words.done}.` +
        (why === undefined ? '' : ` ${plural(problems.length, 'webhook')} not: ${why}`),
    });
    if (verb === 'delete' && why === undefined) for (const id of ids) forgetDraft(client, id);
    onDone();
    await client.invalidateQueries();
  };
  return (
    <Confirm
      title={words.title}
      action={`${words.verb} ${only ? nameOf(only.webhook_url) : plural(webhooks.length, 'webhook')}`}
      danger={verb === 'delete'}
      onConfirm={run}
      onClose={onClose}
    >
      <ul className="webhooks-named">
        {webhooks.slice(0, SHOWN).map(webhook => (
          <li key={webhook.id} className="truncate">
            {webhook.webhook_url}
          </li>
        ))}
        {webhooks.length > SHOWN && <li>and {webhooks.length - SHOWN} more</li>}
      </ul>
      <p>{words.about}</p>
      {verb === 'resume' && disabled > 0 && (
        <p>{plural(disabled, 'of them is', 'of them are')} disabled and become active too.</p>
      )}
      {leftOut > 0 && (
        <p className="muted">
          {plural(leftOut, 'other is', 'others are')} left out: as{' '}
          {leftOut === 1 ? 'it is' : 'they are'} now, there is nothing to do.
        </p>
      )}
      <p className="muted" role="status">
        {progress > 0 && `${progress} of ${webhooks.length} done`}
      </p>
    </Confirm>
  );
}
