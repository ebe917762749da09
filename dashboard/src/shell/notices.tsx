import { useReadiness } from '../api/queries';
import { useSession } from '../api/session';
import { Banner } from '../ui/banner';
import { LinkButton } from '../ui/link';

const ABOUT: Record<string, string> = {
  unavailable: 'does not answer',
  draining: 'is shutting down',
  full: 'has no space left: no events are accepted',
  evicting: 'may throw away what it holds: set maxmemory-policy to noeviction',
  skewed: 'differs by more than it should',
};

/** What is wrong with the installation, over whatever one is looking at. */
export function Notices() {
  const { may } = useSession();
  const { data } = useReadiness();
  if (!may('operate') || data === undefined || data.status === 'ok') return null;
  const wrong = Object.entries(data.checks).filter(([, check]) => check.status !== 'ok');
  if (wrong.length === 0) return null;
  return (
    <Banner
      tone="warn"
      action={
        <LinkButton small to="/queue">
          Look
        </LinkButton>
      }
    >
      {wrong.map(([name, { status }]) => (
        <p key={name}>
          <b className="check-name">{name.replace(/_/g, ' ')}</b> {ABOUT[status] ?? status}.
        </p>
      ))}
    </Banner>
  );
}
