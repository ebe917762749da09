import type { ReactNode } from 'react';
import { useExample } from '../../api/example';
import { CodeBlock } from '../../ui/code';
import { State } from '../../ui/list-states';

/** What fills the list, as a command and as a button. */
export function EmptyWebhooks({ action }: { action: ReactNode }) {
  const { register } = useExample();
  return (
    <State icon="webhook" title="No webhook is registered yet" action={action}>
      A webhook is a URL that is told of events. Without one, events are accepted and go nowhere.
      <CodeBlock text={register} copyLabel="Copy command" />
    </State>
  );
}
