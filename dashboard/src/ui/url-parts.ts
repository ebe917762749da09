/** What a webhook is called in sentences and buttons. */
export function hostOf(url: string): string {
  return /^[a-z]+:\/\/([^/?#]*)/i.exec(url)?.[1] ?? url;
}

const NAME_MAX = 60;

/** The same where several of one host are told apart: with its path, without its query. */
export function nameOf(url: string): string {
  const { host, rest } = urlParts(url);
  const [path = ''] = rest.split(/[?#]/);
  const name = host + (path === '/' ? '' : path);
  return name.length > NAME_MAX ? `${name.slice(0, NAME_MAX)}…` : name;
}

/** The path of an inbox that a server started with --dev has itself, if it is one. */
export function inboxOf(url: string): string | undefined {
  const path = /^\/dev\/inbox\/[^?#]+/.exec(urlParts(url).rest)?.[0];
  return hostOf(url) === window.location.host || isLoopback(url) ? path : undefined;
}

/** Whether it stays on the machine, so that nobody is on the way. */
export function isLoopback(url: string): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/i.test(hostOf(url));
}

/** A URL in the parts that are shown differently. */
export function urlParts(url: string): { scheme: string; host: string; rest: string } {
  const host = hostOf(url);
  const at = url.indexOf(host);
  return { scheme: url.slice(0, at), host, rest: url.slice(at + host.length) };
}
