import { useState, type FormEvent } from 'react';
import { api } from '../../api/client';
import { asProblem, type Problem } from '../../api/problem';
import type { Rotated, Webhook } from '../../api/types';
import { sentence } from '../../ui/format';
import { Banner } from '../../ui/banner';
import { Button } from '../../ui/button';
import { CodeBlock } from '../../ui/code';
import { Dialog } from '../../ui/dialog';
import { TextField } from '../../ui/form';
import { Time } from '../../ui/time';
import { errorAt } from '../webhooks/form/errors';
import { hostOf } from '../../ui/url-parts';

interface Props {
  webhook: Webhook;
  onDone(): void;
  onClose(): void;
}

/** Replaces the secret, after saying what that means for the receiver; then shows the new one. */
export function RotateDialog({ webhook, onDone, onClose }: Props) {
  const [own, setOwn] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [rotated, setRotated] = useState<Rotated | null>(null);
  const jwt = webhook.signature.scheme === 'jwt';

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      const body = own.trim() === '' ? {} : { secret: own.trim() };
      setRotated(await api.post<Rotated>(`/v1/webhooks/${webhook.id}/secret/rotate`, body));
      onDone();
    } catch (error) {
      setProblem(asProblem(error));
    }
    setBusy(false);
  };

  if (rotated !== null) {
    return (
      <Dialog title="The new secret" onClose={onClose} wide>
        <div className="stack">
          <CodeBlock text={rotated.secret} title="Signs from now on" copyLabel="Copy secret" wrap />
          <p>
            {jwt ? (
              'Give it to the receiver now: tokens are signed with it alone.'
            ) : (
              <>
                Give it to the receiver. Until <Time at={rotated.previous_expires_at} as="full" />{' '}
                requests are signed with the previous one as well.
              </>
            )}
          </p>
          <div className="dialog-actions">
            <Button look="primary" onClick={onClose}>
              Done
            </Button>
          </div>
        </div>
      </Dialog>
    );
  }
  const wrongSecret = errorAt(problem, '/secret');
  return (
    <Dialog title={`Rotate the secret of ${hostOf(webhook.webhook_url)}`} onClose={onClose}>
      <form className="stack" noValidate onSubmit={event => void submit(event)}>
        {jwt ? (
          <>
            <p>
              From now on tokens are signed with the new secret <b>alone</b>: a token has one
              signature, so there is no time in which both are good.
            </p>
            <p>
              For a change without a gap, give the receiver a secret of your own first, have it
              accept both, then enter it here.
            </p>
          </>
        ) : (
          <p>
            From now on requests are signed with the new secret, and for 24 hours with the previous
            one as well. So the receiver can change over in that time without refusing one.
          </p>
        )}
        <TextField
          label="A secret of your own"
          optional
          hint="whsec_ and the base64 of 24 to 64 bytes. Empty: a new one is made."
          className="input mono"
          value={own}
          placeholder="whsec_…"
          spellCheck={false}
          error={wrongSecret}
          onChange={event => setOwn(event.target.value)}
        />
        {problem !== null && wrongSecret === undefined && (
          <Banner tone="bad">{sentence(problem.detail)}</Banner>
        )}
        <div className="dialog-actions">
          <Button onClick={onClose}>Not now</Button>
          <Button type="submit" look="primary" busy={busy}>
            Rotate the secret
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
