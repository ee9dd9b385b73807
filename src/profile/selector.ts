// SPDX-License-Identifier: Apache-2.0
// Prometheus matchers: {service_name="checkout", pid=~"12|13"}.
import { StackwellError } from '../errors.js';
import type { Matcher } from './types.js';

export interface ParsedMatcher extends Matcher {
  /** Where its value begins, 0-based. */
  position: number;
}

const MAX_MATCHERS = 64;
const ESCAPES: Record<string, string> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '"': '"',
  "'": "'",
};

function invalid(reason: string, position: number): StackwellError {
  return new StackwellError('SW_QUERY_INVALID', { reason: `${reason} (at ${position})`, position });
}

class Scanner {
  #at = 0;

  constructor(private readonly text: string) {}

  get position(): number {
    this.#skipSpace();
    return this.#at;
  }

  get atEnd(): boolean {
    return this.position >= this.text.length;
  }

  /** Takes `token` if it is next. */
  take(token: string): boolean {
    this.#skipSpace();
    if (!this.text.startsWith(token, this.#at)) return false;
    this.#at += token.length;
    return true;
  }

  fail(expected: string): never {
    const found = this.atEnd ? 'the end' : JSON.stringify(this.text[this.#at]);
    throw invalid(`expected ${expected}, found ${found}`, this.#at);
  }

  /** A plain name, or any name in quotes. */
  name(): string {
    this.#skipSpace();
    const plain = /[a-zA-Z_][a-zA-Z0-9_]*/y;
    plain.lastIndex = this.#at;
    const match = plain.exec(this.text);
    if (match !== null) {
      this.#at += match[0].length;
      return match[0];
    }
    if (this.text[this.#at] === '"') return this.string();
    return this.fail('a label name');
  }

  operator(): Matcher['op'] {
    for (const op of ['=~', '!~', '!=', '='] as const) if (this.take(op)) return op;
    return this.fail('one of =, !=, =~, !~');
  }

  /** In double or single quotes with Go's escapes, or in back quotes without. */
  string(): string {
    this.#skipSpace();
    const quote = this.text[this.#at];
    if (quote !== '"' && quote !== "'" && quote !== '`') return this.fail('a value in quotes');
    const opened = this.#at++;
    let value = '';
    for (;;) {
      const character = this.text[this.#at];
      if (character === undefined) throw invalid('this quote is not closed', opened);
      this.#at++;
      if (character === quote) return value;
      value += character === '\\' && quote !== '`' ? this.#escape() : character;
    }
  }

  #escape(): string {
    const at = this.#at - 1;
    const pattern = /x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([abfnrtv\\"'])/y;
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.text);
    if (match === null) throw invalid('this escape is not known; a backslash is written \\\\', at);
    this.#at += match[0].length;
    if (match[4] !== undefined) return ESCAPES[match[4]]!;
    const code = Number.parseInt(match[1] ?? match[2] ?? match[3]!, 16);
    if (code > 0x10ffff) throw invalid('there is no such character', at);
    return String.fromCodePoint(code);
  }

  #skipSpace(): void {
    while (' \t\r\n'.includes(this.text[this.#at] ?? 'x')) this.#at++;
  }
}

/**
 * Matchers of a selector; braces may be left out, and an empty text selects everything. Regular expressions are not
 * compiled here. @throws SW_QUERY_INVALID with the position of the error
 */
export function parseSelector(text: string): ParsedMatcher[] {
  const scanner = new Scanner(text);
  const matchers: ParsedMatcher[] = [];
  const braces = scanner.take('{');
  const finished = () => (braces ? scanner.take('}') : scanner.atEnd);
  while (!finished()) {
    const name = scanner.name();
    const op = scanner.operator();
    const position = scanner.position;
    matchers.push({ name, op, value: scanner.string(), position });
    if (matchers.length > MAX_MATCHERS)
      throw invalid(`there are more than ${MAX_MATCHERS} matchers`, position);
    if (scanner.take(',')) continue;
    if (!finished()) scanner.fail(braces ? '"," or "}"' : '","');
    break;
  }
  if (!scanner.atEnd) scanner.fail('the end');
  return matchers;
}
