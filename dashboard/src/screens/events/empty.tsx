import { useSession } from '../../api/session';
import { useUrlState } from '../../state/url';
import { CodeBlock } from '../../ui/code';
import { LinkButton } from '../../ui/link';
import { State } from '../../ui/list-states';
import { publishCurl } from './publish-request';

/** Before the first event: how to publish one. */
export function EmptyEvents() {
  const url = useUrlState();
  const { may } = useSession();
  const command = publishCurl({
    type: 'order.paid',
    tenant: '',
    id: '',
    data: '{"order":"1024"}',
  });
  return (
    <State
      icon="event"
      title="No events yet"
      action={
        may('publish') && (
          <LinkButton exact to={url.href({ publish: 1 })}>
            Publish one here
          </LinkButton>
        )
      }
    >
      An event shows here as soon as it was accepted. Publish one with a key in POSTRIDER_KEY:
      <CodeBlock text={command} copyLabel="Copy command" />
    </State>
  );
}
