/** What a webhook is called in sentences and buttons. */
export function hostOf(url: string): string {
  return /^[a-z]+:\/\/([^/?#]*)/i.exec(url)?.[1] ?? url;
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
