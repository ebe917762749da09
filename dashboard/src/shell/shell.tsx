import { useEffect, useState, type ReactNode } from 'react';
import { useLocation } from 'wouter';
import { UNREACHABLE } from '../api/client';
import { useReached } from '../api/reach';
import { useShortcut } from '../state/keys';
import { useHref } from '../state/url';
import { IconButton } from '../ui/button';
import { unsay } from '../ui/toast';
import { Connection } from './connection';
import { Notices } from './notices';
import { Palette } from './palette';
import { RangePicker } from './range-picker';
import { SCREENS } from './screens';
import { Shortcuts } from './shortcuts';
import { Mark, Sidebar } from './sidebar';
import { TenantFilter } from './tenant-filter';
import { ThemeButton, ZoneSwitch } from './switches';

type Over = 'palette' | 'shortcuts' | null;

/** What is around every screen. */
export function Shell({ children }: { children: ReactNode }) {
  const [over, setOver] = useState<Over>(null);
  const [navOpen, setNavOpen] = useState(false);
  const [path, navigate] = useLocation();
  const href = useHref();
  useEffect(() => {
    setNavOpen(false);
    setOver(null);
    scrollTo({ top: 0 });
  }, [path]);

  const reached = useReached();
  useEffect(() => {
    if (reached) unsay(UNREACHABLE);
  }, [reached]);

  useShortcut('mod+k', () => setOver(over === 'palette' ? null : 'palette'));
  useShortcut('?', () => setOver('shortcuts'));
  useShortcut('Escape', () => setNavOpen(false), navOpen);

  return (
    <div className={navOpen ? 'shell nav-open' : 'shell'}>
      <a className="skip" href="#content" onClick={skip}>
        Skip to the content
      </a>
      {SCREENS.map(screen => (
        <GoTo key={screen.key} letter={screen.key} go={() => navigate(href(screen.path))} />
      ))}
      <Sidebar
        path={path}
        onPalette={() => setOver('palette')}
        onShortcuts={() => setOver('shortcuts')}
      />
      <div className="veil" onClick={() => setNavOpen(false)} aria-hidden="true" />
      <div className="main-column">
        <header className="topbar">
          <IconButton
            className="nav-button"
            icon={navOpen ? 'cross' : 'menu'}
            label={navOpen ? 'Close navigation' : 'Open navigation'}
            aria-expanded={navOpen}
            onClick={() => setNavOpen(!navOpen)}
          />
          <span className="topbar-brand" aria-hidden="true">
            <Mark size={20} /> Postrider
          </span>
          <div className="topbar-filters">
            <TenantFilter />
            <RangePicker />
          </div>
          <div className="topbar-switches">
            <ZoneSwitch />
            <ThemeButton />
            <Connection />
          </div>
        </header>
        <main id="content" className="content" tabIndex={-1}>
          <Notices />
          {children}
        </main>
      </div>
      {over === 'palette' && (
        <Palette onClose={() => setOver(null)} onShortcuts={() => setOver('shortcuts')} />
      )}
      {over === 'shortcuts' && <Shortcuts onClose={() => setOver(null)} />}
    </div>
  );
}

function GoTo({ letter, go }: { letter: string; go(): void }) {
  useShortcut(`g ${letter}`, go);
  return null;
}

/** The address stays as it is: a fragment would be a place in the history. */
function skip(event: { preventDefault(): void }): void {
  event.preventDefault();
  document.getElementById('content')?.focus();
}
