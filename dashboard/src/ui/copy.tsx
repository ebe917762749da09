import { useEffect, useRef, useState } from 'react';
import { Button, IconButton } from './button';
import { say } from './toast';

/** Copies, and shows for a moment that it did. */
export function CopyButton({
  text,
  label = 'Copy',
}: {
  text: string | (() => string);
  label?: string;
}) {
  const [copied, setCopied] = useState(false);
  const timer = useRef<number>(undefined);
  useEffect(() => () => window.clearTimeout(timer.current), []);
  const copy = async () => {
    try {
      await copyText(typeof text === 'string' ? text : text());
      setCopied(true);
      timer.current = window.setTimeout(setCopied, 1_500, false);
    } catch {
      say({ tone: 'bad', text: 'The browser did not allow copying.' });
    }
  };
  return (
    <IconButton
      className={copied ? 'copy done' : 'copy'}
      small
      icon={copied ? 'check' : 'copy'}
      label={copied ? 'Copied' : label}
      onClick={event => {
        event.stopPropagation();
        void copy();
      }}
    />
  );
}

/** The same with its label to be read: "Copy as curl". */
export function CopyTextButton({
  text,
  label,
  disabled,
}: {
  text: () => string;
  label: string;
  disabled?: boolean;
}) {
  const [copied, setCopied] = useState(false);
  const timer = useRef<number>(undefined);
  useEffect(() => () => window.clearTimeout(timer.current), []);
  const copy = async () => {
    try {
      await copyText(text());
      setCopied(true);
      timer.current = window.setTimeout(setCopied, 1_500, false);
    } catch {
      say({ tone: 'bad', text: 'The browser did not allow copying.' });
    }
  };
  return (
    <Button small icon={copied ? 'check' : 'copy'} disabled={disabled} onClick={() => void copy()}>
      {copied ? 'Copied' : label}
    </Button>
  );
}

async function copyText(text: string): Promise<void> {
  // Over plain http from another machine there is no clipboard: the old way works there.
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement('textarea');
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  if (!done) throw new Error('not copied');
}
