import type { ReactNode } from 'react';
import { useSession } from '../../api/session';
import { CodeBlock } from '../../ui/code';
import { State } from '../../ui/list-states';
import { URL_PLACEHOLDER } from './form/fields';

/** What fills the list, as a command and as a button. */
export function EmptyWebhooks({ action }: { action: ReactNode }) {
  const { session } = useSession();
  const base = window.location.origin;
  const key = session?.dev ? '$(cat postrider-data/dev.key)' : '$POSTRIDER_KEY';
  const receiver = session?.dev ? `${base}/dev/inbox/demo` : URL_PLACEHOLDER;
  const command = [
    `curl ${base}/v1/webhooks/register`,
    `-H "Authorization: Bearer ${key}"`,
    `-H 'Content-Type: application/json'`,
    `-d '{"webhook_url": "${receiver}"}'`,
  ].join(' \\\n  ');
  return (
    <State icon="webhook" title="No webhook is registered yet" action={action}>
      A webhook is a URL that is told of events. Without one, events are accepted and go nowhere.
      <CodeBlock text={command} copyLabel="Copy command" />
    </State>
  );
}
