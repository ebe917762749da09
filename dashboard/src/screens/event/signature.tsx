import { useState } from 'react';
import type { Attempt, SentRequest, Webhook } from '../../api/types';
import { Banner } from '../../ui/banner';
import { CodeBlock } from '../../ui/code';
import { CopyButton } from '../../ui/copy';
import { Icon } from '../../ui/icons';
import { AppLink } from '../../ui/link';
import { SNIPPET_LANGUAGES, verifySnippet, type SnippetLanguage } from '../../ui/snippets';
import { Segments } from '../../ui/tabs';
import { Time } from '../../ui/time';
import { Visible } from '../../ui/visible';

interface Props {
  sent: SentRequest;
  attempt: Attempt;
  webhook: Webhook | undefined;
}

/** Whether a receiver can believe this request, from what it would compute itself. */
export function SignaturePanel({ sent, attempt, webhook }: Props) {
  return (
    <div className="stack">
      {sent.webhook_changed && <Changed />}
      <Verdict sent={sent} attempt={attempt} webhook={webhook} />
      {sent.signed === null ? (
        <p className="muted">
          This webhook signs with a token (JWT) in the header {sent.signature_header}. Its claims
          hold the SHA-256 of the body; there is no other text that is signed.
        </p>
      ) : (
        <Signed text={sent.signed} />
      )}
      <CodeBlock
        wrap
        title={`Header ${sent.signature_header}`}
        text={headerOf(sent, sent.signature_header) ?? 'not there'}
        copyLabel="Copy signature"
      />
      {webhook && <Snippets webhook={webhook} />}
    </div>
  );
}

export function Changed() {
  return (
    <Banner tone="warn">
      The webhook was changed after this attempt. This is made from what the webhook is now, so what
      was sent may have looked different.
    </Banner>
  );
}

function Verdict({ sent, attempt, webhook }: Props) {
  const second = headerOf(sent, 'webhook-timestamp');
  const at = second ? new Date(Number(second) * 1_000).toISOString() : attempt.started_at;
  return (
    <div className={`verdict ${sent.verified ? 'ok' : 'bad'}`}>
      <Icon name={sent.verified ? 'check' : 'cross'} size={18} />
      <div>
        <p>
          <b>{sent.verified ? 'The signature is right.' : 'The signature does not verify.'}</b>{' '}
          {sent.verified ? (
            'Computed again with the secret of the webhook it is the same.'
          ) : (
            <>
              {sent.why_not}{' '}
              {webhook && (
                <AppLink to={`/webhooks/${webhook.id}?tab=security`}>Its secrets</AppLink>
              )}
            </>
          )}
        </p>
        <p className="muted small">
          Signed at <Time at={at} as="full" />. Receivers refuse what is more than 5 minutes off,
          also when it is sent again with curl.
        </p>
      </div>
    </div>
  );
}

function headerOf(sent: SentRequest, wanted: string): string | undefined {
  return sent.headers.find(([name]) => name === wanted)?.[1];
}

/** The very text that the signature is over, its three parts told apart. */
function Signed({ text }: { text: string }) {
  const first = text.indexOf('.');
  const second = text.indexOf('.', first + 1);
  return (
    <div className="code-block">
      <div className="code-title">
        Signed text <span className="faint">webhook-id . webhook-timestamp . body</span>
      </div>
      <pre className="wrap" tabIndex={0}>
        <code>
          <span className="tok-key">
            <Visible text={text.slice(0, first)} />
          </span>
          <b>.</b>
          <span className="tok-number">{text.slice(first + 1, second)}</span>
          <b>.</b>
          <Visible text={text.slice(second + 1)} />
        </code>
      </pre>
      <div className="code-copy">
        <CopyButton text={text} label="Copy signed text" />
      </div>
    </div>
  );
}

/** Kept while one goes from attempt to attempt. */
let lastLanguage: SnippetLanguage = 'node';

function Snippets({ webhook }: { webhook: Webhook }) {
  const [language, setLanguage] = useState(lastLanguage);
  return (
    <details className="snippets">
      <summary>How the receiver verifies it</summary>
      <div className="stack tight">
        <Segments
          label="Language"
          options={SNIPPET_LANGUAGES.map(({ id, label }) => ({ id, label }))}
          value={language}
          onChange={id => {
            lastLanguage = id;
            setLanguage(id);
          }}
        />
        <CodeBlock text={verifySnippet(language, webhook)} copyLabel="Copy code" />
      </div>
    </details>
  );
}
