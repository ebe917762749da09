import { useRef, useState, type FormEvent } from 'react';
import { useSession } from '../api/session';
import { useUrlState } from '../state/url';
import { Button } from '../ui/button';
import { Icon } from '../ui/icons';
import { placeBelow } from '../ui/menu';

const RECENT = 'postrider.tenants';

/** Narrows every screen to one tenant. Keys that see only their own have nothing to choose. */
export function TenantFilter() {
  const { session } = useSession();
  const url = useUrlState();
  const tenant = url.get('tenant') ?? '';
  const button = useRef<HTMLButtonElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  const [text, setText] = useState('');
  const [recent, setRecent] = useState(readRecent);
  if (session?.tenant !== null) return null;

  const choose = (next: string) => {
    panel.current?.hidePopover();
    url.set({ tenant: next, cursor: null, open: null }, { push: true });
    if (next === '') return;
    const list = [next, ...recent.filter(name => name !== next)].slice(0, 8);
    localStorage.setItem(RECENT, JSON.stringify(list));
    setRecent(list);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    choose(text.trim());
  };
  return (
    <>
      <button
        ref={button}
        type="button"
        className={`button plain${tenant === '' ? '' : ' on'}`}
        popoverTarget="tenant-panel"
        aria-haspopup="dialog"
      >
        <Icon name="tenant" />
        <span className="truncate">{tenant === '' ? 'All tenants' : tenant}</span>
        <Icon name="down" size={12} />
      </button>
      <div
        ref={panel}
        id="tenant-panel"
        popover="auto"
        className="menu pad"
        role="dialog"
        aria-label="Tenant"
        onToggle={event => {
          if (event.newState !== 'open' || !panel.current || !button.current) return;
          placeBelow(panel.current, button.current);
          panel.current.querySelector('input')?.focus();
        }}
      >
        <form className="row" onSubmit={submit}>
          <input
            className="input"
            aria-label="Name of the tenant"
            placeholder="Name of the tenant"
            value={text}
            autoComplete="off"
            spellCheck={false}
            onChange={event => setText(event.target.value)}
          />
          <Button type="submit">Show</Button>
        </form>
        <ul className="menu-list">
          <li>
            <button type="button" aria-pressed={tenant === ''} onClick={() => choose('')}>
              All tenants
            </button>
          </li>
          {recent.map(name => (
            <li key={name}>
              <button type="button" aria-pressed={name === tenant} onClick={() => choose(name)}>
                {name}
              </button>
            </li>
          ))}
        </ul>
      </div>
    </>
  );
}

function readRecent(): string[] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(RECENT) ?? '[]');
    return Array.isArray(stored) ? stored.filter(name => typeof name === 'string') : [];
  } catch {
    return [];
  }
}
