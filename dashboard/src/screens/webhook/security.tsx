import { useState } from 'react';
import { useSession } from '../../api/session';
import type { Webhook } from '../../api/types';
import { CodeBlock, HeaderBlock } from '../../ui/code';
import { Panel } from '../../ui/page';
import { SNIPPET_LANGUAGES, verifySnippet, type SnippetLanguage } from '../../ui/snippets';
import { Segments } from '../../ui/tabs';
import { SecretsPanel } from './secrets';

const LANGUAGE = 'postrider.language';

/** Its secrets, and how the receiver checks with them that a request is from here. */
export function SecurityTab({ webhook }: { webhook: Webhook }) {
  const { may } = useSession();
  return (
    <div className="stack">
      {may('secret') ? (
        <SecretsPanel webhook={webhook} />
      ) : (
        <Panel title="Signing secret">
          <p className="muted">Your key may not see it.</p>
        </Panel>
      )}
      <VerifyPanel webhook={webhook} />
    </div>
  );
}

function VerifyPanel({ webhook }: { webhook: Webhook }) {
  const [language, setLanguage] = useState<SnippetLanguage>(readLanguage);
  const jwt = webhook.signature.scheme === 'jwt';
  const choose = (next: SnippetLanguage) => {
    setLanguage(next);
    localStorage.setItem(LANGUAGE, next);
  };
  return (
    <Panel
      title="Verify requests"
      about={jwt ? 'a token that holds the hash of the body' : 'as Standard Webhooks has it'}
    >
      <div className="webhook-verify">
        <div className="stack">
          {jwt ? <JwtRule webhook={webhook} /> : <StandardRule />}
          <HeaderBlock
            title="Headers of a request"
            headers={[
              ['webhook-id', 'evt_…'],
              ['webhook-timestamp', '1787392800'],
              jwt ? ['authorization', 'Bearer eyJ…'] : ['webhook-signature', 'v1,N/Em4Af9v6QMErs…'],
            ]}
          />
        </div>
        <div className="stack tight">
          <div className="webhook-languages">
            <Segments
              label="Language"
              value={language}
              onChange={choose}
              options={SNIPPET_LANGUAGES.map(({ id, label }) => ({ id, label }))}
            />
          </div>
          <CodeBlock
            text={verifySnippet(language, webhook)}
            title={
              <>
                Reads the secret from <code>WEBHOOK_SECRET</code>
              </>
            }
            copyLabel="Copy code"
          />
        </div>
      </div>
    </Panel>
  );
}

function StandardRule() {
  return (
    <ul className="webhook-rule">
      <li>
        Signed is <code>webhook-id</code>, a dot, <code>webhook-timestamp</code>, a dot, and the
        body: the bytes as they came, before any parsing.
      </li>
      <li>
        The key is the secret without <code>whsec_</code>, base64-decoded. The signature is
        HMAC-SHA256, in base64 after <code>v1,</code>.
      </li>
      <li>
        While a secret is being replaced there are several signatures, a space between them: one
        that matches is enough.
      </li>
      <li>Refuse timestamps that are more than 5 minutes off: each attempt is signed anew.</li>
      <li>
        Keep <code>webhook-id</code> for a while: a retry has the same one, and is to be done once.
      </li>
    </ul>
  );
}

function JwtRule({ webhook }: { webhook: Webhook }) {
  return (
    <ul className="webhook-rule">
      <li>
        The token is signed with HS256. The key is the whole text of the secret, <code>whsec_</code>{' '}
        included: nothing is decoded.
      </li>
      <li>
        Compare <code>payload_hash</code> (the same as <code>request_body_sha256</code>) with the
        hex SHA-256 of the body as it came. A library that checks the signature alone does not.
      </li>
      <li>
        <code>aud</code> is <code className="break">{webhook.id}</code>, <code>sub</code> the event
        type, <code>jti</code> the event id; it expires after 5 minutes.
      </li>
      <li>
        <code>kid</code> in the token’s header names the secret: it tells which of two is meant.
      </li>
    </ul>
  );
}

function readLanguage(): SnippetLanguage {
  const stored = localStorage.getItem(LANGUAGE);
  return SNIPPET_LANGUAGES.find(({ id }) => id === stored)?.id ?? 'node';
}
