import { useId, useRef, useEffect, useState, type KeyboardEvent } from 'react';
import { Icon } from '../ui/icons';
import { useCommands, type Command } from './commands';
import { useFoundWebhooks } from './found-webhooks';

/** Go to a screen by its name, to a thing by its id, to a webhook by a part of its URL. */
export function Palette({ onClose, onShortcuts }: { onClose(): void; onShortcuts(): void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const listId = useId();
  const wanted = text.trim();
  const commands = useCommands(wanted, useFoundWebhooks(wanted), onShortcuts);
  const [before] = useState(() => document.activeElement);
  useEffect(() => {
    dialog.current?.showModal();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, [before]);
  useEffect(() => {
    dialog.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' });
  }, [at]);
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
          aria-label="Screen, id or URL"
          aria-expanded="true"
          aria-controls={listId}
          aria-activedescendant={commands[at] && `${listId}-${commands[at].id}`}
          placeholder="A screen, an id, a part of a URL"
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
          Nothing by that name, and no webhook with that in its URL.
        </p>
      )}
    </dialog>
  );
}
