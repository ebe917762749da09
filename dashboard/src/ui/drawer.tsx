import { useEffect, useId, useRef, type ReactNode } from 'react';
import { useShortcut } from '../state/keys';
import { IconButton } from './button';

interface Props {
  title: string;
  /** What is in it: the focus comes in anew when it changes by the keyboard. */
  of: string;
  aside?: ReactNode;
  footer?: ReactNode;
  onClose(): void;
  children: ReactNode;
}

/**
 * A panel at the side for one row of a list. It is not modal: the list beside it stays usable, and
 * another row shows in the same panel. Escape closes it and gives the focus back.
 */
export function Drawer({ title, of, aside, footer, onClose, children }: Props) {
  const panel = useRef<HTMLElement>(null);
  const before = useRef<Element | null>(null);
  const titleId = useId();
  useEffect(() => {
    const active = document.activeElement;
    if (!panel.current?.contains(active)) before.current = active;
    panel.current?.focus({ preventScroll: true });
  }, [of]);
  useEffect(
    () => () => {
      const back = before.current;
      if (back instanceof HTMLElement && back.isConnected) back.focus({ preventScroll: true });
    },
    [],
  );
  useShortcut('Escape', onClose);
  return (
    <aside ref={panel} className="drawer" aria-labelledby={titleId} tabIndex={-1}>
      <header className="dialog-head">
        <h2 id={titleId}>{title}</h2>
        {aside}
        <IconButton className="end" icon="cross" label="Close (Esc)" onClick={onClose} />
      </header>
      <div className="dialog-body">{children}</div>
      {footer && <footer className="drawer-foot">{footer}</footer>}
    </aside>
  );
}
