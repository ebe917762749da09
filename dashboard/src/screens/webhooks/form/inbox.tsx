import { useSession } from '../../../api/session';
import { inboxOf } from '../../../ui/url-parts';

interface Props {
  url: string;
  onChange(url: string): void;
}

/** An inbox of a server started with --dev fails if its URL says so, which nothing else tells. */
export function InboxHint({ url, onChange }: Props) {
  const { session } = useSession();
  if (session?.dev !== true || inboxOf(url) === undefined) return null;
  const status = /[?&]status=([^&#]*)/.exec(url)?.[1];
  const fails = status !== undefined;
  // A viewer sees the values of a query masked.
  const answers = /^\d+$/.test(status ?? '')
    ? `${status}. Without ?status=${status}`
    : 'what its ?status= says. Without it,';
  const words = fails
    ? `This inbox answers ${answers} it takes everything.`
    : 'This inbox takes everything. With ?status=500 it fails.';
  const label = fails ? 'Make it take everything' : 'Make it answer 500';
  return (
    <p className="webhooks-inbox">
      <span className="muted small">{words}</span>{' '}
      <button
        type="button"
        className="link small"
        onClick={() => onChange(fails ? taking(url) : failing(url))}
      >
        {label}
      </button>
    </p>
  );
}

function failing(url: string): string {
  const [before = '', hash] = url.split('#', 2);
  const query = `${before}${before.includes('?') ? '&' : '?'}status=500`;
  return hash === undefined ? query : `${query}#${hash}`;
}

function taking(url: string): string {
  return url.replace(/([?&])status=[^&#]*(&?)/, (_, before: string, after: string) =>
    after === '' ? '' : before,
  );
}
