import { useExample } from '../../api/example';
import { useSession } from '../../api/session';
import { useUrlState } from '../../state/url';
import { CodeBlock } from '../../ui/code';
import { LinkButton } from '../../ui/link';
import { State } from '../../ui/list-states';

/** Before the first event: how to publish one. */
export function EmptyEvents() {
  const url = useUrlState();
  const { may } = useSession();
  const { publish } = useExample();
  return (
    <State
      icon="event"
      title="No events yet"
      action={
        may('publish') && (
          <LinkButton icon="plus" exact to={url.href({ publish: 1 })}>
            Publish event
          </LinkButton>
        )
      }
    >
      An event shows here as soon as it was accepted. Publish one:
      <CodeBlock text={publish} copyLabel="Copy command" />
    </State>
  );
}
