import { useEffect, useRef, useState } from 'react';
import type { NewKey } from '../../api/types';
import { Banner } from '../../ui/banner';
import { Button } from '../../ui/button';
import { CopyButton } from '../../ui/copy';
import { Dialog } from '../../ui/dialog';
import { Facts } from '../../ui/page';
import { ROLES } from './roles';

/** A key's text, once: it is in this dialog and nowhere else, and goes with it. */
export function NewKeyShown({ made, onClose }: { made: NewKey; onClose(): void }) {
  const [copied, setCopied] = useState(false);
  const [asked, setAsked] = useState(false);
  const text = useRef<HTMLElement>(null);
  useEffect(() => text.current?.focus(), []);
  const close = () => {
    if (copied || asked) onClose();
    else setAsked(true);
  };
  return (
    <Dialog title="The new key" onClose={close}>
      <div className="stack">
        <Banner tone="warn">
          <b>Copy it now.</b> It is shown this once: the server keeps only a hash of it.
        </Banner>
        <div className="settings-secret">
          <code
            ref={text}
            className="break"
            tabIndex={0}
            aria-label={`The key: ${made.key}`}
            role="textbox"
            aria-readonly="true"
            onCopy={() => setCopied(true)}
            onFocus={event => selectAll(event.currentTarget)}
          >
            {made.key}
          </code>
          <CopyButton
            label="Copy key"
            text={() => {
              setCopied(true);
              return made.key;
            }}
          />
        </div>
        <Facts
          of={[
            ['Name', made.name],
            ['Role', ROLES[made.role].label],
            ...(made.tenant === null ? [] : [['Tenant', made.tenant] as [string, string]]),
          ]}
        />
        <p className="muted small">
          Programs send it as <code>Authorization: Bearer prk_…</code>; the command line takes it
          from <code>POSTRIDER_KEY</code>.
        </p>
        {asked && !copied && (
          <div role="alert">
            <Banner tone="warn">
              It was not copied. Closed, it is gone, and another one has to be made.
            </Banner>
          </div>
        )}
        <div className="dialog-actions">
          <Button look={copied ? 'primary' : 'plain'} onClick={close}>
            {asked && !copied ? 'Close all the same' : copied ? 'Done' : 'Close'}
          </Button>
        </div>
      </div>
    </Dialog>
  );
}

function selectAll(element: HTMLElement): void {
  window.getSelection()?.selectAllChildren(element);
}
