const BASE = '/dashboard';

/** The path of this screen as it is written in the address; the router's own is decoded in part. */
export function writtenPath(): string {
  return window.location.pathname.slice(BASE.length) || '/';
}

/** What stands after the last slash: an id. What is no valid escape is taken as it is. */
export function lastOfPath(): string {
  const last = writtenPath().split('/').at(-1) ?? '';
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}
