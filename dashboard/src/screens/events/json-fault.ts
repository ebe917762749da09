/** Where a text stops being JSON, in words that say what to type instead. */
export interface JsonFault {
  line: number;
  column: number;
  /** The line it is in. */
  text: string;
  message: string;
}

/** What browsers say about JSON differs and is hard to read; this is only asked after they refused. */
export function jsonFault(text: string): JsonFault | null {
  try {
    JSON.parse(text);
    return null;
  } catch {
    const reader = new Reader(text);
    try {
      reader.document();
    } catch (fault) {
      if (fault instanceof Fault) return at(text, fault.at, fault.message);
    }
    return at(text, 0, 'This is not JSON.');
  }
}

function at(text: string, offset: number, message: string): JsonFault {
  const before = text.slice(0, offset).split('\n');
  const line = before.length;
  return {
    line,
    column: (before.at(-1)?.length ?? 0) + 1,
    text: text.split('\n')[line - 1] ?? '',
    message,
  };
}

class Fault extends Error {
  constructor(
    readonly at: number,
    message: string,
  ) {
    super(message);
  }
}

const SPACE = ' \t\n\r';
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /[A-Za-z_$][\w$]*/y;

class Reader {
  private at = 0;

  constructor(private readonly text: string) {}

  document(): void {
    this.value('A value is missing: {} would do.');
    this.space();
    if (this.at < this.text.length) throw this.fault('Nothing may follow after the value.');
  }

  private value(missing: string): void {
    this.space();
    const char = this.peek();
    if (char === '{') this.object();
    else if (char === '[') this.array();
    else if (char === '"') this.string();
    else if (/[-\d.+]/.test(char)) this.number();
    else if (char === "'") throw this.fault('Texts stand in double quotes.');
    else if (char === '/' || char === '#') throw this.fault('JSON has no comments.');
    else if (/[A-Za-z_$]/.test(char)) this.word();
    else throw this.fault(missing);
  }

  private object(): void {
    const open = this.at;
    this.at += 1;
    this.space();
    if (this.take('}')) return;
    for (;;) {
      this.space();
      const char = this.peek();
      if (char === '}') throw this.fault('The comma before this } is too many.');
      if (char === '') throw new Fault(open, 'This { is never closed.');
      if (char !== '"') throw this.fault('Names stand in double quotes.');
      this.string();
      this.space();
      if (!this.take(':')) throw this.fault('A colon is missing after the name.');
      this.value('A value is missing after the colon.');
      this.space();
      if (this.take('}')) return;
      if (this.peek() === '') throw new Fault(open, 'This { is never closed.');
      if (!this.take(',')) throw this.fault('A comma or } is missing before this.');
    }
  }

  private array(): void {
    const open = this.at;
    this.at += 1;
    this.space();
    if (this.take(']')) return;
    for (;;) {
      this.space();
      if (this.peek() === ']') throw this.fault('The comma before this ] is too many.');
      if (this.peek() === '') throw new Fault(open, 'This [ is never closed.');
      this.value('A value is missing here.');
      this.space();
      if (this.take(']')) return;
      if (this.peek() === '') throw new Fault(open, 'This [ is never closed.');
      if (!this.take(',')) throw this.fault('A comma or ] is missing before this.');
    }
  }

  private string(): void {
    const open = this.at;
    this.at += 1;
    while (this.at < this.text.length) {
      const char = this.peek();
      if (char === '"') {
        this.at += 1;
        return;
      }
      if (char === '\n') throw new Fault(open, 'This text is not closed on its line.');
      if (char < ' ') throw this.fault('Control characters are written as \\u0000.');
      if (char === '\\') {
        if (!/^\\(["\\/bfnrt]|u[\da-fA-F]{4})/.test(this.text.slice(this.at, this.at + 6))) {
          throw this.fault('There is no such escape. A backslash itself is written \\\\.');
        }
        this.at += 1;
      }
      this.at += 1;
    }
    throw new Fault(open, 'This text is never closed.');
  }

  private number(): void {
    const start = this.at;
    const found = this.match(NUMBER);
    if (found === '' || /[\w.+]/.test(this.peek())) {
      throw new Fault(start, 'This is no number of JSON, such as 12, -0.5 or 1e9.');
    }
  }

  private word(): void {
    const start = this.at;
    const word = this.match(WORD);
    if (word === 'true' || word === 'false' || word === 'null') return;
    const close = /^(true|false|null|none|undefined|nan)$/i.test(word);
    throw new Fault(
      start,
      close
        ? `JSON has true, false and null, not ${word}.`
        : `Texts stand in double quotes: "${word}".`,
    );
  }

  private match(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0] ?? '';
    this.at += found.length;
    return found;
  }

  private space(): void {
    while (this.at < this.text.length && SPACE.includes(this.peek())) this.at += 1;
  }

  private take(char: string): boolean {
    if (this.peek() !== char) return false;
    this.at += 1;
    return true;
  }

  private peek(): string {
    return this.text.charAt(this.at);
  }

  private fault(message: string): Fault {
    return new Fault(this.at, message);
  }
}
