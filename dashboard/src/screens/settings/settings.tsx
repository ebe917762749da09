import './settings.css';
import { useEffect, useRef, type ReactNode } from 'react';
import { useSession } from '../../api/session';
import { Icon, type IconName } from '../../ui/icons';
import { AppLink } from '../../ui/link';
import { State } from '../../ui/list-states';
import { Page } from '../../ui/page';
import { About } from './about';
import { Configuration } from './configuration';
import { Keys } from './keys';
import { Retention } from './retention';
import { SessionSection } from './session';

const SECTIONS: { id: string; label: string; icon: IconName; show(): ReactNode }[] = [
  { id: 'keys', label: 'Keys', icon: 'key', show: () => <Keys /> },
  { id: 'retention', label: 'Retention', icon: 'calendar', show: () => <Retention /> },
  { id: 'configuration', label: 'Configuration', icon: 'settings', show: () => <Configuration /> },
  { id: 'session', label: 'Session', icon: 'user', show: () => <SessionSection /> },
  { id: 'about', label: 'About', icon: 'info', show: () => <About /> },
];

/** Whether one section was left for another by its link: the focus goes on from there. */
let cameFromLink = false;

export default function Settings({ section }: { section: string | undefined }) {
  const { session } = useSession();
  const first = session?.role === 'admin' ? 'keys' : 'session';
  const open = SECTIONS.find(({ id }) => id === (section ?? first));
  const nav = useRef<HTMLElement>(null);
  useEffect(() => {
    // Each section is an address of its own, and with it the link that had the focus is another.
    const current = nav.current?.querySelector<HTMLElement>('[aria-current]');
    if (cameFromLink) current?.focus({ preventScroll: true });
    current?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    cameFromLink = false;
  }, []);
  return (
    <Page title={open ? `Settings: ${open.label}` : 'Settings'} heading="Settings">
      <div className="settings">
        <nav ref={nav} className="settings-nav" aria-label="Settings">
          <ul>
            {SECTIONS.map(({ id, label, icon }) => (
              <li key={id}>
                <AppLink
                  to={`/settings/${id}`}
                  className="settings-link"
                  aria-current={id === open?.id ? 'page' : undefined}
                  onClick={() => {
                    cameFromLink = true;
                  }}
                >
                  <Icon name={icon} />
                  {label}
                </AppLink>
              </li>
            ))}
          </ul>
        </nav>
        <div className="stack settings-section">
          {open?.show() ?? (
            <State icon="search" title="There is no such section">
              The ones that are there stand beside this.
            </State>
          )}
        </div>
      </div>
    </Page>
  );
}
