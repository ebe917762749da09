import { useQueryClient } from '@tanstack/react-query';
import { useSession } from '../../api/session';
import { useStream } from '../../api/stream';
import type { Overview } from '../../api/types';
import { CodeBlock } from '../../ui/code';
import { Icon } from '../../ui/icons';
import { LinkButton } from '../../ui/link';
import { Page } from '../../ui/page';

/** What is seen until the first event: the two commands that make one, and whether it came. */
export function FirstSteps({ webhooks }: { webhooks: Overview['webhooks'] | undefined }) {
  const client = useQueryClient();
  const { session } = useSession();
  // The first event turns this into the overview at once; polling does it where no stream is had.
  useStream(
    'events',
    {},
    { batch: () => void client.invalidateQueries({ queryKey: ['first-event'] }) },
  );

  const base = window.location.origin;
  const dev = session?.dev === true;
  const key = dev ? '$(cat postrider-data/dev.key)' : '$POSTRIDER_KEY';
  const receiver = dev ? `${base}/dev/inbox/demo` : 'https://application.com/v1/new-purchase';
  const curl = (path: string, body: string) =>
    `curl ${base}${path} \\\n  -H "Authorization: Bearer ${key}" \\\n  -H 'Content-Type: application/json' \\\n  -d '${body}'`;
  const registered = (webhooks?.active ?? 0) + (webhooks?.paused ?? 0) > 0;
  return (
    <Page title="Overview" about="Nothing has been sent yet. Two commands, and this page fills.">
      <ol className="first-steps">
        <li className={registered ? 'done' : undefined}>
          <span className="first-step-mark">{registered ? <Icon name="check" /> : 1}</span>
          <div className="stack tight grow">
            <h2>
              {registered
                ? 'A webhook is registered'
                : 'Register a webhook: a URL that wants to be told'}
            </h2>
            <CodeBlock
              text={curl('/v1/webhooks/register', `{"webhook_url": "${receiver}"}`)}
              copyLabel="Copy command"
            />
            <p className="muted small">
              {dev && 'This one is an inbox that the server itself has for trying things out. '}
              <LinkButton to="/webhooks" small>
                Or register it here
              </LinkButton>
            </p>
          </div>
        </li>
        <li>
          <span className="first-step-mark">2</span>
          <div className="stack tight grow">
            <h2>Publish an event: something that happened</h2>
            <CodeBlock
              text={curl(
                '/v1/events',
                '{"type": "order.paid", "data": {"order": 1042, "total": 50.75}}',
              )}
              copyLabel="Copy command"
            />
          </div>
        </li>
        <li className="waiting">
          <span className="first-step-mark">
            <span className="spinner" aria-hidden="true" />
          </span>
          <div role="status">
            <h2>Waiting for the first event…</h2>
            <p className="muted">It shows up here the moment it is accepted.</p>
          </div>
        </li>
      </ol>
    </Page>
  );
}
