import { CodeBlock } from '../../ui/code';
import { LinkButton } from '../../ui/link';
import { State } from '../../ui/list-states';

export function EmptyDeliveries({ scoped }: { scoped: boolean }) {
  if (scoped) {
    return (
      <State icon="delivery" title="No deliveries yet">
        They are made when an event is published that this webhook wants.
      </State>
    );
  }
  const command = `curl ${window.location.origin}/v1/events \\
  -H "Authorization: Bearer $POSTRIDER_KEY" \\
  -H 'Content-Type: application/json' \\
  -d '{"type": "order.paid", "data": {"order": 1042}}'`;
  return (
    <State
      icon="delivery"
      title="No deliveries yet"
      action={<LinkButton to="/webhooks">Webhooks</LinkButton>}
    >
      Every event makes one for each webhook that wants its type. Publish one:
      <CodeBlock text={command} copyLabel="Copy command" />
    </State>
  );
}
