import type { Registered, Webhook } from '../../api/types';
import { Banner } from '../../ui/banner';
import { Button } from '../../ui/button';
import { CodeBlock } from '../../ui/code';
import { Dialog } from '../../ui/dialog';
import { LinkButton } from '../../ui/link';
import { hostOf, isLoopback } from '../../ui/url-parts';

interface Props {
  webhook: Registered | Webhook;
  onClose(): void;
}

/** What one needs once a webhook is there: its secret, and the next steps. */
export function RegisteredNow({ webhook, onClose }: Props) {
  const host = hostOf(webhook.webhook_url);
  const page = `/webhooks/${webhook.id}`;
  if (!('secret' in webhook)) {
    return (
      <Dialog title="Registered before" onClose={onClose} wide>
        <div className="stack">
          <p>
            There was a webhook with this URL already. What you gave has changed, everything else
            and its secret are as they were.
          </p>
          <div className="dialog-actions">
            <Button onClick={onClose}>Close</Button>
            <LinkButton to={page} look="primary">
              Open {host}
            </LinkButton>
          </div>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title="Webhook registered" onClose={onClose} wide>
      <div className="stack">
        <ol className="webhooks-next">
          <li>
            <h3>Give the receiver its signing secret</h3>
            <CodeBlock text={webhook.secret} title="Signing secret" copyLabel="Copy secret" wrap />
            <p className="muted small">
              Keep it like a password. Keys that may see secrets find it again under Security.
            </p>
          </li>
          <li>
            <h3>Have it check every request</h3>
            <p className="muted">
              Security has the code in six languages. A request whose signature does not match is
              not from here.
            </p>
          </li>
          <li>
            <h3>Try it</h3>
            <p className="muted">Send a test event and watch what {host} answers.</p>
          </li>
        </ol>
        {!webhook.webhook_url.startsWith('https:') && !isLoopback(webhook.webhook_url) && (
          <Banner tone="warn">
            Over plain http everybody on the way can read what is sent, and answer in its place.
          </Banner>
        )}
        <div className="dialog-actions">
          <Button onClick={onClose}>Done</Button>
          <LinkButton to={`${page}?tab=security`}>Code to verify</LinkButton>
          <LinkButton to={`${page}?tab=test`} look="primary">
            Send a test event
          </LinkButton>
        </div>
      </div>
    </Dialog>
  );
}
