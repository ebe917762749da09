import { useEffect, useId, useRef, useState, type FormEvent, type ReactNode } from 'react';
import { asProblem } from '../api/problem';
import { Banner } from './banner';
import { Button, IconButton } from './button';

const FILLED_IN = 'input, select, textarea';

interface Props {
  title: string;
  onClose(): void;
  children: ReactNode;
  wide?: boolean;
  /** Beside the title. */
  aside?: ReactNode;
}

/**
 * A modal dialog; rendered means open. The element keeps the focus inside and we give it back.
 */
export function Dialog({ title, onClose, children, wide, aside }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  const [before] = useState(opener);
  useEffect(() => {
    const element = dialog.current;
    if (element) openers.set(element, before);
    element?.showModal();
    // Not the button that closes it, which would be the first: where one begins to fill in or read.
    const body = dialog.current?.querySelector<HTMLElement>('.dialog-body');
    (body?.querySelector<HTMLElement>(FILLED_IN) ?? body)?.focus();
    return () => focusBack(before);
  }, [before]);
  return (
    <dialog
      ref={dialog}
      className={wide ? 'dialog wide' : 'dialog'}
      aria-labelledby={titleId}
      onCancel={event => {
        // The one that renders it takes it away, so that nothing is open that is not in the state.
        event.preventDefault();
        if (event.target === dialog.current) onClose();
      }}
      onPointerDown={event => event.target === dialog.current && onClose()}
    >
      <div className="dialog-box">
        <header className="dialog-head">
          <h2 id={titleId}>{title}</h2>
          {aside}
          <IconButton className="end" icon="cross" label="Close" onClick={onClose} />
        </header>
        <div className="dialog-body" tabIndex={-1}>
          {children}
        </div>
      </div>
    </dialog>
  );
}

const openers = new WeakMap<Element, Element[]>();

/** What had the focus; if that is in a dialog, which may go, then what opened that one as well. */
function opener(): Element[] {
  const active = document.activeElement;
  const around = document.querySelector('dialog:modal');
  return [active, ...((around && openers.get(around)) ?? [])].filter(element => element !== null);
}

/** Where the focus was; if that went with what the dialog did, to the content of the screen. */
function focusBack(before: Element[]): void {
  const there = before.find(element => element.isConnected && element !== document.body);
  if (there instanceof HTMLElement) there.focus();
  else document.getElementById('content')?.focus({ preventScroll: true });
}

interface ConfirmProps {
  title: string;
  /** What the button says: the verb and the number, "Retry 1,284 deliveries". */
  action: string;
  danger?: boolean;
  /** Not before something else is known: a count, a word typed. */
  disabled?: boolean;
  children?: ReactNode;
  onConfirm(): Promise<unknown>;
  onClose(): void;
}

/** Asks once more. Closes when it is done; says in place what went wrong. */
export function Confirm({
  title,
  action,
  danger,
  disabled,
  children,
  onConfirm,
  onClose,
}: ConfirmProps) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await onConfirm();
      onClose();
    } catch (error) {
      setProblem(asProblem(error).detail);
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form className="stack" onSubmit={event => void submit(event)}>
        {children}
        {problem !== null && <Banner tone="bad">{problem}</Banner>}
        <div className="dialog-actions">
          <Button onClick={onClose}>Not now</Button>
          <Button
            type="submit"
            look={danger ? 'danger' : 'primary'}
            busy={busy}
            disabled={disabled}
          >
            {action}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
