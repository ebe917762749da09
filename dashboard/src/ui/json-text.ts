export interface Token {
  kind: 'key' | 'string' | 'number' | 'word' | 'mark' | 'space';
  text: string;
}

/** More than this is shown raw: colouring it would hold up the page. */
export const PRETTY_LIMIT = 400_000;

/** The API puts U+FFFD where the bytes of an answer are no text. */
export function isBinary(text: string): boolean {
  return text.includes('\ufffd');
}

const TOKEN =
  /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null)|([{}[\],:])|(\s+)|([^])/g;

/**
 * Lays JSON out without parsing it into values, so that every number and escape stays as it was
 * written. Null if it is not JSON.
 */
export function prettyTokens(text: string): Token[] | null {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const out: Token[] = [];
  let depth = 0;
  const newline = () => out.push({ kind: 'space', text: `\n${'  '.repeat(depth)}` });
  const matches = [...text.matchAll(TOKEN)].filter(match => match[6] === undefined);
  matches.forEach((match, at) => {
    const [, string, colon, number, word, mark] = match;
    if (string !== undefined) {
      out.push({ kind: colon === undefined ? 'string' : 'key', text: string });
      if (colon !== undefined) out.push({ kind: 'mark', text: ': ' });
    } else if (number !== undefined) out.push({ kind: 'number', text: number });
    else if (word !== undefined) out.push({ kind: 'word', text: word });
    else if (mark !== undefined) {
      const empty = (mark === '{' || mark === '[') && /[}\]]/.test(matches[at + 1]?.[5] ?? '');
      const closesEmpty = (mark === '}' || mark === ']') && /[{[]/.test(matches[at - 1]?.[5] ?? '');
      if (mark === '}' || mark === ']') {
        depth -= 1;
        if (!closesEmpty) newline();
      }
      out.push({ kind: 'mark', text: mark });
      if (mark === '{' || mark === '[') {
        depth += 1;
        if (!empty) newline();
      } else if (mark === ',') newline();
    }
  });
  return out;
}
