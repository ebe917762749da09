import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { api } from '../../api/client';
import { asProblem } from '../../api/problem';
import type { Secrets, Webhook } from '../../api/types';
import { Banner } from '../../ui/banner';
import { Button } from '../../ui/button';
import { CopyButton } from '../../ui/copy';
import { Panel } from '../../ui/page';
import { Pill } from '../../ui/status';
import { Time } from '../../ui/time';
import { RotateDialog } from './rotate';

/** How long secrets stay readable on a screen that somebody has left. */
const HIDES_AFTER_MS = 60_000;
const HIDDEN = 'whsec_••••••••••••••••••••••••••••••••';

/** The signing secrets: asked for only once somebody wants to see them, and hidden again soon. */
export function SecretsPanel({ webhook }: { webhook: Webhook }) {
  const client = useQueryClient();
  const [shown, setShown] = useState(false);
  const [rotating, setRotating] = useState(false);
  const key = ['secrets', webhook.id];
  const { data, error, isFetching } = useQuery({
    queryKey: key,
    queryFn: ({ signal }) =>
      api.get<Secrets>(`/v1/webhooks/${webhook.id}/secret`, undefined, signal),
    enabled: shown,
    gcTime: 0,
  });
  const hide = () => {
    setShown(false);
    client.removeQueries({ queryKey: ['secrets', webhook.id] });
  };
  useEffect(() => {
    if (!shown) return;
    const timer = window.setTimeout(hide, HIDES_AFTER_MS);
    return () => window.clearTimeout(timer);
    // Hiding is the same whenever it happens.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [shown]);
  const secrets = shown ? data?.secrets : undefined;
  return (
    <Panel
      title="Signing secret"
      about="shared with the receiver, and with nobody else"
      actions={
        <>
          <Button
            small
            icon="eye"
            busy={shown && isFetching && secrets === undefined}
            aria-pressed={shown}
            onClick={() => (shown ? hide() : setShown(true))}
          >
            {shown ? 'Hide' : 'Reveal'}
          </Button>
          <Button small icon="retry" onClick={() => setRotating(true)}>
            Rotate…
          </Button>
        </>
      }
    >
      {error && shown && <Banner tone="bad">{asProblem(error).detail}</Banner>}
      {secrets === undefined ? (
        <p className="mono faint break" aria-label="The secret is hidden">
          {HIDDEN}
        </p>
      ) : (
        <ul className="webhook-secrets" aria-live="polite">
          {secrets.map(({ secret, created_at, expires_at }) => (
            <li key={secret}>
              <span className="row wrap">
                {expires_at === null ? (
                  <Pill tone="ok" icon="key" word="Current" />
                ) : (
                  <Pill tone="off" icon="clock" word="Replaced" />
                )}
                <span className="muted small">
                  made <Time at={created_at} />
                  {expires_at !== null && (
                    <>
                      , signs too until it expires <Time at={expires_at} />
                    </>
                  )}
                </span>
              </span>
              <span className="row">
                <code className="break">{secret}</code>
                <CopyButton text={secret} label="Copy secret" />
              </span>
            </li>
          ))}
        </ul>
      )}
      {rotating && (
        <RotateDialog
          webhook={webhook}
          onDone={() => {
            void client.invalidateQueries({ queryKey: key });
          }}
          onClose={() => setRotating(false)}
        />
      )}
    </Panel>
  );
}
