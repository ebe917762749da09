import { CopyButton } from './copy';
import { AppLink } from './link';

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
  const { scheme, host, rest } = parts(url);
  const text = (
    <>
      <span className="faint">{scheme}</span>
      <b>{host}</b>
      <span className="muted">{rest}</span>
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

function parts(url: string): { scheme: string; host: string; rest: string } {
  const match = /^([a-z]+:\/\/)([^/?#]*)(.*)$/i.exec(url);
  if (match === null) return { scheme: '', host: url, rest: '' };
  const [, scheme = '', host = '', rest = ''] = match;
  return { scheme: scheme === 'https://' ? '' : scheme, host, rest: rest === '/' ? '' : rest };
}
