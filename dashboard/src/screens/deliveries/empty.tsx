import { useExample } from '../../api/example';
import { CodeBlock } from '../../ui/code';
import { LinkButton } from '../../ui/link';
import { State } from '../../ui/list-states';

export function EmptyDeliveries({ scoped }: { scoped: boolean }) {
  const { publish } = useExample();
  if (scoped) {
    return (
      <State icon="delivery" title="No deliveries yet">
        They are made when an event is published that this webhook wants.
      </State>
    );
  }
  return (
    <State
      icon="delivery"
      title="No deliveries yet"
      action={<LinkButton to="/webhooks">Webhooks</LinkButton>}
    >
      Every event makes one for each webhook that wants its type. Publish one:
      <CodeBlock text={publish} copyLabel="Copy command" />
    </State>
  );
}
