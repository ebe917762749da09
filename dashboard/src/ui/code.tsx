import type { ReactNode } from 'react';
import { CopyButton } from './copy';
import { Visible } from './visible';

interface Props {
  text: string;
  /** What stands above it: "Run this", a file's name. */
  title?: ReactNode;
  /** What it is, for the copy button: "Copy command". */
  copyLabel?: string;
  wrap?: boolean;
}

/** Text to be read and copied as it is. */
export function CodeBlock({ text, title, copyLabel = 'Copy', wrap }: Props) {
  return (
    <div className="code-block">
      {title && <div className="code-title">{title}</div>}
      <pre className={wrap ? 'wrap' : undefined} tabIndex={0}>
        <code>
          <Visible text={text} />
        </code>
      </pre>
      <div className="code-copy">
        <CopyButton text={text} label={copyLabel} />
      </div>
    </div>
  );
}

/** Headers as name and value. */
export function HeaderBlock({
  headers,
  title = 'Headers',
}: {
  headers: [string, string][];
  title?: string;
}) {
  const text = headers.map(([name, value]) => `${name}: ${value}`).join('\n');
  if (headers.length === 0) return <p className="muted small">No headers.</p>;
  return (
    <div className="code-block">
      <div className="code-title">{title}</div>
      <pre className="wrap headers" tabIndex={0}>
        {headers.map(([name, value], at) => (
          <div key={at}>
            <span className="tok-key">{name}</span>: <Visible text={value} />
          </div>
        ))}
      </pre>
      <div className="code-copy">
        <CopyButton text={text} label="Copy headers" />
      </div>
    </div>
  );
}
