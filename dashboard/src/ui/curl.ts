interface Request {
  method: string;
  url: string;
  headers: [string, string][];
  body: string;
}

/** A command that sends this request. `$NAME` in a header's value is left to the shell. */
export function curlCommand({ method, url, headers, body }: Request): string {
  // Without it curl takes brackets and braces in a URL for patterns.
  const glob = /[[\]{}]/.test(url) ? ' --globoff' : '';
  const lines = [`curl -i${glob} -X ${method} ${shellQuote(url)}`];
  for (const [name, value] of headers) lines.push(`-H ${headerWord(`${name}: ${value}`)}`);
  lines.push(`--data-raw ${shellQuote(body)}`);
  return lines.join(' \\\n  ');
}

/** One word for a POSIX shell, whatever is in it. */
export function shellQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function headerWord(header: string): string {
  return /^[^"\\`!]*\$[A-Z_]+$/.test(header) ? `"${header}"` : shellQuote(header);
}
