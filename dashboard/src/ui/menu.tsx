import { useId, useRef, type KeyboardEvent, type ReactNode } from 'react';
import { Icon, type IconName } from './icons';

export interface MenuItem {
  label: string;
  icon?: IconName;
  danger?: boolean;
  disabled?: boolean;
  run(): void;
}

interface Props {
  /** The name of the button. */
  label: string;
  items: (MenuItem | 'line')[];
  /** What the button shows, with its name in words; three dots by default. */
  children?: ReactNode;
  className?: string;
}

/** A menu of actions: arrows, Home, End and Escape as in menus of the system. */
export function Menu({ label, items, children, className }: Props) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const menu = useRef<HTMLDivElement>(null);
  const onToggle = (open: boolean) => {
    if (!open || !menu.current || !button.current) return;
    placeBelow(menu.current, button.current);
    options(menu.current)[0]?.focus();
  };
  const onKey = (event: KeyboardEvent) => {
    if (!menu.current) return;
    const all = options(menu.current);
    const at = all.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (event.key === 'Tab') menu.current.hidePopover();
    if (to === undefined) return;
    event.preventDefault();
    all[(to + all.length) % all.length]?.focus();
  };
  return (
    <>
      <button
        ref={button}
        type="button"
        className={className ?? 'button icon-only quiet small'}
        aria-label={children ? undefined : label}
        aria-haspopup="menu"
        popoverTarget={id}
        data-tip={children ? undefined : label}
      >
        {children ?? <Icon name="more" />}
      </button>
      <div
        ref={menu}
        id={id}
        popover="auto"
        role="menu"
        aria-label={label}
        className="menu"
        onToggle={event => onToggle(event.newState === 'open')}
        onKeyDown={onKey}
      >
        {items.map((item, index) =>
          item === 'line' ? (
            <hr key={index} />
          ) : (
            <button
              key={item.label}
              type="button"
              role="menuitem"
              tabIndex={-1}
              disabled={item.disabled}
              className={item.danger ? 'danger' : undefined}
              onClick={() => {
                menu.current?.hidePopover();
                item.run();
              }}
            >
              {item.icon && <Icon name={item.icon} />}
              {item.label}
            </button>
          ),
        )}
      </div>
    </>
  );
}

function options(menu: HTMLElement): HTMLElement[] {
  return [...menu.querySelectorAll<HTMLElement>('[role^=menuitem]:not(:disabled)')];
}

/** Below the anchor, its right edges aligned if there is no room; above it at the end of the page. */
export function placeBelow(panel: HTMLElement, anchor: Element): void {
  const at = anchor.getBoundingClientRect();
  const { width, height } = panel.getBoundingClientRect();
  const left = at.left + width > innerWidth - 8 ? at.right - width : at.left;
  const below = at.bottom + 4;
  panel.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
  panel.style.top = `${below + height > innerHeight - 8 && at.top > height ? at.top - height - 4 : below}px`;
}
