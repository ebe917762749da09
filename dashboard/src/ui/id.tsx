import type { Delivery } from '../api/types';
import { CopyButton } from './copy';
import { AppLink } from './link';
import { urlParts } from './url-parts';

/**
 * An id that can be copied and, with `to`, opened. Long ones lose their middle, not their end: the
 * ends of our ids tell them apart.
 */
export function Id({
  id,
  to,
  exact,
  full,
}: {
  id: string;
  to?: string;
  exact?: boolean;
  full?: boolean;
}) {
  const text = full || id.length <= 18 ? id : `${id.slice(0, 8)}…${id.slice(-6)}`;
  return (
    <span className="id">
      {to === undefined ? (
        <span className="mono break" data-tip={text === id ? undefined : id}>
          {text}
        </span>
      ) : (
        <AppLink
          to={to}
          exact={exact}
          className="mono break"
          data-tip={text === id ? undefined : id}
        >
          {text}
        </AppLink>
      )}
      <CopyButton text={id} label="Copy id" />
    </span>
  );
}

/** A URL with its host emphasised; `to` makes it a link within the dashboard. */
export function Url({ url, to, copy = true }: { url: string; to?: string; copy?: boolean }) {
  const { scheme, host, rest } = urlParts(url);
  const text = (
    <>
      {scheme !== 'https://' && <span className="faint">{scheme}</span>}
      <b>{host}</b>
      {rest !== '/' && <span className="muted">{rest}</span>}
    </>
  );
  return (
    <span className="url">
      {to === undefined ? (
        <span className="truncate" data-tip={url}>
          {text}
        </span>
      ) : (
        <AppLink to={to} className="truncate" data-tip={url}>
          {text}
        </AppLink>
      )}
      {copy && <CopyButton text={url} label="Copy URL" />}
    </span>
  );
}

/** Where a delivery goes. Of a webhook that was deleted nothing is known but its id. */
export function WebhookOf({
  delivery,
  plain,
}: {
  delivery: Pick<Delivery, 'webhook_id' | 'webhook_url'>;
  /** Text alone: within something that is a link itself. */
  plain?: boolean;
}) {
  const { webhook_id: id, webhook_url: url } = delivery;
  if (url !== null) {
    return <Url url={url} to={plain ? undefined : `/webhooks/${id}`} copy={!plain} />;
  }
  return (
    <span className="row webhook-deleted">
      {plain ? <span className="mono truncate">{id}</span> : <Id id={id} />}
      <span className="faint small">deleted</span>
    </span>
  );
}
