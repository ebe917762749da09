import { useSettings } from './queries';
import { useSession } from './session';

interface Example {
  /** Commands for a shell, which work as they stand on a server started with --dev. */
  register: string;
  publish: string;
  /** Whether `register` names the inbox that such a server has itself. */
  inbox: boolean;
}

/** What empty screens offer to be filled with: the same webhook and event on each of them. */
export function useExample(): Example {
  const { session, may } = useSession();
  const dev = session?.dev === true;
  const settings = useSettings(dev && may('configure'));
  const directory = settings.data?.data.find(({ key }) => key === 'data_dir')?.value;
  const key = dev ? `$(cat ${String(directory ?? 'postrider-data')}/dev.key)` : '$POSTRIDER_KEY';
  const base = window.location.origin;
  const receiver = dev ? `${base}/dev/inbox/demo` : 'https://application.com/v1/new-purchase';
  const command = (path: string, body: string) =>
    [
      `curl ${base}${path}`,
      `-H "Authorization: Bearer ${key}"`,
      `-H 'Content-Type: application/json'`,
      `-d '${body}'`,
    ].join(' \\\n  ');
  return {
    register: command('/v1/webhooks/register', `{"webhook_url": "${receiver}"}`),
    publish: command('/v1/events', '{"type": "order.paid", "data": {"order": 1042}}'),
    inbox: dev,
  };
}
