import { curlCommand } from '../../ui/curl';
import { prettyTokens } from '../../ui/json-text';

export interface Draft {
  type: string;
  tenant: string;
  id: string;
  /** JSON, which is sent as it was written. */
  data: string;
}

export const TYPE_PATTERN = /^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$/;

/** The body, with the bytes of `data` untouched: parsing would change numbers and spaces. */
export function publishBody({ type, tenant, id, data }: Draft): string {
  const members = [`"type":${JSON.stringify(type)}`];
  if (tenant !== '') members.push(`"tenant":${JSON.stringify(tenant)}`);
  if (id !== '') members.push(`"id":${JSON.stringify(id)}`);
  members.push(`"data":${data.trim()}`);
  return `{${members.join(',')}}`;
}

export function publishCurl(draft: Draft): string {
  return curlCommand({
    method: 'POST',
    url: `${location.origin}/v1/events`,
    headers: [
      ['authorization', 'Bearer $POSTRIDER_KEY'],
      ['content-type', 'application/json'],
    ],
    body: publishBody(draft),
  });
}

/** Laid out, with every number and escape as it was written; what is not JSON stays. */
export function pretty(json: string): string {
  const tokens = prettyTokens(json);
  return tokens === null ? json : tokens.map(token => token.text).join('');
}
