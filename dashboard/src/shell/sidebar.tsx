import { useSession } from '../api/session';
import { Icon } from '../ui/icons';
import { AppLink } from '../ui/link';
import { Menu } from '../ui/menu';
import { say } from '../ui/toast';
import { SCREENS, isAt } from './screens';

interface Props {
  path: string;
  onPalette(): void;
  onShortcuts(): void;
}

const ROLES = { admin: 'Admin', publisher: 'Publisher', viewer: 'Viewer', tenant: 'Tenant' };

export function Sidebar({ path, onPalette, onShortcuts }: Props) {
  const { session, logout } = useSession();
  const leave = () =>
    void logout().catch(() => say({ tone: 'bad', text: 'Logging out did not reach the server.' }));
  return (
    <nav className="sidebar" aria-label="Main">
      <div className="brand">
        <Mark />
        <span>Postrider</span>
        {session?.dev && (
          <span className="tag" data-tip="Started with --dev: not for production">
            dev
          </span>
        )}
      </div>
      <button type="button" className="jump" onClick={onPalette}>
        <Icon name="search" size={14} />
        <span className="grow">Go to…</span>
        <kbd>{isMac() ? '⌘' : 'Ctrl'} K</kbd>
      </button>
      <ul className="sidebar-screens">
        {SCREENS.map(screen => (
          <li key={screen.path}>
            <AppLink
              to={screen.path}
              className="nav-link"
              aria-current={isAt(screen.path, path) ? 'page' : undefined}
            >
              <Icon name={screen.icon} />
              <span className="grow">{screen.label}</span>
              <kbd aria-hidden="true">g {screen.key}</kbd>
            </AppLink>
          </li>
        ))}
      </ul>
      <div className="sidebar-foot">
        <button type="button" className="nav-link" onClick={onShortcuts}>
          <Icon name="keyboard" />
          <span className="grow">Shortcuts</span>
          <kbd aria-hidden="true">?</kbd>
        </button>
        <a className="nav-link" href="/docs" target="_blank" rel="noreferrer">
          <Icon name="open" />
          <span className="grow">API reference</span>
        </a>
        {session && (
          <Menu
            label={`${session.key_name} ${ROLES[session.role]}${session.tenant === null ? '' : `, ${session.tenant}`}`}
            className="who"
            items={[{ label: 'Log out', icon: 'out', run: leave }]}
          >
            <span className="who-icon">
              <Icon name="key" size={14} />
            </span>
            <span className="grow">
              <b className="truncate">{session.key_name}</b>
              <span className="faint truncate">
                {ROLES[session.role]}
                {session.tenant !== null && `, ${session.tenant}`}
              </span>
            </span>
            <Icon name="more" />
          </Menu>
        )}
      </div>
    </nav>
  );
}

export function Mark({ size = 24 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="#2f55d4" />
      <g fill="none" stroke="#fff" strokeWidth="2.4" strokeLinecap="round">
        <path d="M9 16h13M9 16c6 0 6-7.5 13-7.5M9 16c6 0 6 7.5 13 7.5" />
      </g>
      <g fill="#fff">
        <circle cx="9" cy="16" r="3.4" />
        <circle cx="23" cy="8.5" r="2.4" />
        <circle cx="23" cy="16" r="2.4" />
        <circle cx="23" cy="23.5" r="2.4" />
      </g>
    </svg>
  );
}

export function isMac(): boolean {
  return /mac|iphone|ipad/i.test(navigator.platform);
}
