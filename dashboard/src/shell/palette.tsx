import { useId, useMemo, useRef, useEffect, useState, type KeyboardEvent } from 'react';
import { useLocation } from 'wouter';
import { useSession } from '../api/session';
import { setPreference, usePreferences } from '../state/preferences';
import { useHref } from '../state/url';
import { Icon, type IconName } from '../ui/icons';
import { SCREENS } from './screens';

interface Command {
  id: string;
  label: string;
  about: string;
  icon: IconName;
  run(): void;
}

/** Go to a screen by its name, or to a thing by its id. */
export function Palette({ onClose, onShortcuts }: { onClose(): void; onShortcuts(): void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const listId = useId();
  const commands = useCommands(text.trim(), onShortcuts);
  const [before] = useState(() => document.activeElement);
  useEffect(() => {
    dialog.current?.showModal();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, [before]);
  const run = (command: Command | undefined) => {
    if (command === undefined) return;
    onClose();
    command.run();
  };
  const onKey = (event: KeyboardEvent) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by !== undefined) {
      event.preventDefault();
      setAt((at + by + commands.length) % Math.max(commands.length, 1));
    }
    if (event.key === 'Enter') {
      event.preventDefault();
      run(commands[at]);
    }
  };
  return (
    <dialog
      ref={dialog}
      className="palette"
      aria-label="Go to"
      onCancel={event => {
        event.preventDefault();
        onClose();
      }}
      onPointerDown={event => event.target === dialog.current && onClose()}
    >
      <div className="palette-input">
        <Icon name="search" />
        <input
          role="combobox"
          aria-label="Screen or id"
          aria-expanded="true"
          aria-controls={listId}
          aria-activedescendant={commands[at] && `${listId}-${commands[at].id}`}
          placeholder="A screen, or an id: wh_…, evt_…, dlv_…"
          value={text}
          autoFocus
          spellCheck={false}
          onChange={event => {
            setText(event.target.value);
            setAt(0);
          }}
          onKeyDown={onKey}
        />
        <kbd>Esc</kbd>
      </div>
      <ul id={listId} role="listbox" aria-label="Where to">
        {commands.map((command, index) => (
          <li
            key={command.id}
            id={`${listId}-${command.id}`}
            role="option"
            aria-selected={index === at}
            onPointerMove={() => setAt(index)}
            onClick={() => run(command)}
          >
            <Icon name={command.icon} />
            <span className="truncate">{command.label}</span>
            <span className="faint small end truncate">{command.about}</span>
          </li>
        ))}
      </ul>
      {commands.length === 0 && (
        <p className="palette-none muted">
          Nothing by that name. Ids begin with wh_, evt_ or dlv_.
        </p>
      )}
    </dialog>
  );
}

function useCommands(text: string, onShortcuts: () => void): Command[] {
  const [, navigate] = useLocation();
  const href = useHref();
  const { logout } = useSession();
  const { theme, zone } = usePreferences();
  return useMemo(() => {
    const go = (to: string) => () => navigate(href(to));
    const found = byId(text);
    if (found !== undefined) return found.map(command => ({ ...command, run: go(command.to) }));
    const screens = SCREENS.map(({ path, label, icon, about }) => ({
      id: label,
      label,
      icon,
      about,
      run: go(path),
    }));
    const dark = theme !== 'dark';
    const others: Command[] = [
      {
        id: 'failed',
        label: 'Failed deliveries',
        about: 'Deliveries',
        icon: 'cross',
        run: go('/deliveries?view=failed'),
      },
      {
        id: 'retrying',
        label: 'Retrying deliveries',
        about: 'Deliveries',
        icon: 'retry',
        run: go('/deliveries?view=retrying'),
      },
      {
        id: 'theme',
        label: dark ? 'Dark theme' : 'Light theme',
        about: 'Look',
        icon: dark ? 'moon' : 'sun',
        run: () => setPreference('theme', dark ? 'dark' : 'light'),
      },
      {
        id: 'zone',
        label: zone === 'utc' ? 'Times in local time' : 'Times in UTC',
        about: 'Look',
        icon: 'clock',
        run: () => setPreference('zone', zone === 'utc' ? 'local' : 'utc'),
      },
      { id: 'shortcuts', label: 'Shortcuts', about: '?', icon: 'keyboard', run: onShortcuts },
      { id: 'logout', label: 'Log out', about: 'Session', icon: 'out', run: () => void logout() },
    ];
    const wanted = text.toLowerCase();
    return [...screens, ...others].filter(({ label, about }) =>
      `${label} ${about}`.toLowerCase().includes(wanted),
    );
  }, [text, navigate, href, logout, theme, zone, onShortcuts]);
}

function byId(
  text: string,
): { id: string; label: string; about: string; icon: IconName; to: string }[] | undefined {
  if (/^wh_\w+$/.test(text)) {
    return [
      {
        id: 'wh',
        label: text,
        about: 'Open the webhook',
        icon: 'webhook',
        to: `/webhooks/${text}`,
      },
      {
        id: 'wh-d',
        label: text,
        about: 'Its deliveries',
        icon: 'delivery',
        to: `/deliveries?webhook_id=${text}`,
      },
    ];
  }
  if (/^evt_\w+$/.test(text)) {
    return [
      { id: 'evt', label: text, about: 'Open the event', icon: 'event', to: `/events/${text}` },
    ];
  }
  if (/^dlv_\w+$/.test(text)) {
    return [
      {
        id: 'dlv',
        label: text,
        about: 'Open the delivery',
        icon: 'delivery',
        to: `/deliveries?open=${text}`,
      },
    ];
  }
  return undefined;
}
