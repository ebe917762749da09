import { useQueryClient } from '@tanstack/react-query';
import { useExample } from '../../api/example';
import { usePage, useTenant } from '../../api/queries';
import { useSession } from '../../api/session';
import { useStream } from '../../api/stream';
import type { Overview, Webhook } from '../../api/types';
import { CodeBlock } from '../../ui/code';
import { Icon } from '../../ui/icons';
import { LinkButton } from '../../ui/link';
import { Page } from '../../ui/page';

/** What is seen until the first event: the two commands that make one, and whether it came. */
export function FirstSteps({ webhooks }: { webhooks: Overview['webhooks'] | undefined }) {
  const client = useQueryClient();
  const { may } = useSession();
  // The first event turns this into the overview at once; polling does it where no stream is had.
  useStream(
    'events',
    {},
    { batch: () => void client.invalidateQueries({ queryKey: ['first-event'] }) },
  );

  const { register, publish, inbox } = useExample();
  const registered = (webhooks?.active ?? 0) + (webhooks?.paused ?? 0) > 0;
  return (
    <Page
      title="Overview"
      about={`Nothing has been sent yet. ${registered ? 'One step' : 'Two steps'}, and this page fills.`}
    >
      <ol className="first-steps">
        <li className={registered ? 'done' : undefined}>
          <span className="first-step-mark">{registered ? <Icon name="check" /> : 1}</span>
          <div className="stack tight grow">
            <h2>
              {registered
                ? 'A webhook is registered'
                : 'Register a webhook: a URL that wants to be told'}
            </h2>
            {registered ? (
              <div className="row wrap small muted">
                It gets what is published from now on.
                <LookAtIt />
              </div>
            ) : (
              <>
                <CodeBlock text={register} copyLabel="Copy command" />
                <div className="row wrap small muted">
                  {inbox && 'It is an inbox that this server has for trying things out.'}
                  {may('manage') && (
                    <LinkButton to="/webhooks?new=1" small>
                      Or register one here
                    </LinkButton>
                  )}
                </div>
              </>
            )}
          </div>
        </li>
        <li>
          <span className="first-step-mark">2</span>
          <div className="stack tight grow">
            <h2>Publish an event: something that happened</h2>
            <CodeBlock text={publish} copyLabel="Copy command" />
            {may('publish') && (
              <div className="row small">
                <LinkButton to="/events?publish=1" small>
                  Or publish one here
                </LinkButton>
              </div>
            )}
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

/** The newest webhook; while it is not known which that is, the list. */
function LookAtIt() {
  const tenant = useTenant();
  const [newest] = usePage<Webhook>('/v1/webhooks', { tenant, limit: 1 }).data?.data ?? [];
  return (
    <LinkButton to={newest === undefined ? '/webhooks' : `/webhooks/${newest.id}`} small>
      Look at it
    </LinkButton>
  );
}
