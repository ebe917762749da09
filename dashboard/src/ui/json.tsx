import { useMemo, useState } from 'react';
import { CopyButton } from './copy';
import { bytes } from './format';
import { isBinary, PRETTY_LIMIT, prettyTokens } from './json-text';
import { Segments } from './tabs';
import { Visible } from './visible';

interface Props {
  /** The exact text: what Raw shows and Copy copies. */
  text: string;
  title?: string;
  /** It was cut after so much. */
  truncated?: boolean;
  /** It was made from bytes: where they are no text there are replacement characters. */
  fromBytes?: boolean;
}

/** JSON laid out and coloured, or byte for byte. What is not JSON is shown as the text it is. */
export function JsonViewer({ text, title = 'Body', truncated, fromBytes }: Props) {
  const [view, setView] = useState<'pretty' | 'raw'>('pretty');
  const tokens = useMemo(() => (text.length > PRETTY_LIMIT ? null : prettyTokens(text)), [text]);
  const size = useMemo(() => new TextEncoder().encode(text).length, [text]);
  // How much it was cannot be told from what is left of it.
  const binary = fromBytes === true && isBinary(text);
  return (
    <div className="code-block">
      <div className="code-title row">
        <span>{title}</span>
        <span className="faint small">
          {binary ? 'not text: \ufffd stands for what cannot be shown' : bytes(size)}
          {truncated && ', cut off: there was more'}
        </span>
        {tokens !== null && (
          <span className="end code-switch">
            <Segments
              label={`${title}: how it is shown`}
              value={view}
              onChange={setView}
              options={[
                { id: 'pretty', label: 'Pretty' },
                { id: 'raw', label: 'Raw' },
              ]}
            />
          </span>
        )}
      </div>
      <pre className="wrap" tabIndex={0}>
        <code>
          {text === '' ? (
            '(empty)'
          ) : tokens === null || view === 'raw' ? (
            <Visible text={text} />
          ) : (
            tokens.map((token, at) =>
              token.kind === 'space' || token.kind === 'mark' ? (
                token.text
              ) : (
                <span key={at} className={`tok-${token.kind}`}>
                  <Visible text={token.text} />
                </span>
              ),
            )
          )}
        </code>
      </pre>
      <div className="code-copy">
        <CopyButton text={text} label={`Copy ${title.toLowerCase()}`} />
      </div>
    </div>
  );
}
