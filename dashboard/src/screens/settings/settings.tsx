import './settings.css';
import { useEffect, useRef, type ReactNode } from 'react';
import { useSession } from '../../api/session';
import { SETTINGS_SECTIONS, type SettingsSection } from '../../shell/screens';
import { Icon } from '../../ui/icons';
import { AppLink } from '../../ui/link';
import { State } from '../../ui/list-states';
import { Page } from '../../ui/page';
import { About } from './about';
import { Configuration } from './configuration';
import { Keys } from './keys';
import { Retention } from './retention';
import { SessionSection } from './session';

const SHOW: Record<SettingsSection, () => ReactNode> = {
  keys: () => <Keys />,
  retention: () => <Retention />,
  configuration: () => <Configuration />,
  session: () => <SessionSection />,
  about: () => <About />,
};

/** Whether one section was left for another by its link: the focus goes on from there. */
let cameFromLink = false;

export default function Settings({ section }: { section: string | undefined }) {
  const { session } = useSession();
  const first = session?.role === 'admin' ? 'keys' : 'session';
  const open = SETTINGS_SECTIONS.find(({ id }) => id === (section ?? first));
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
            {SETTINGS_SECTIONS.map(({ id, label, icon }) => (
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
          {(open && SHOW[open.id]()) ?? (
            <State icon="search" title="There is no such section">
              The ones that are there stand beside this.
            </State>
          )}
        </div>
      </div>
    </Page>
  );
}
