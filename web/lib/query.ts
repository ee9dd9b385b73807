// SPDX-License-Identifier: Apache-2.0
// The selector language as far as the pickers need it: read matchers out of the query text, put one in, take one out.
import type { Matcher } from '../../src/profile/types.js';

export type Parsed = { ok: true; matchers: Matcher[] } | { ok: false; at: number; reason: string };

const ESCAPES: Record<string, string> = { n: '\n', t: '\t', r: '\r' };

/** `{a="b", c=~"d|e"}`; an empty text selects everything. */
export function parseQuery(text: string): Parsed {
  let i = 0;
  const fail = (reason: string): Parsed => ({ ok: false, at: i, reason });
  const space = () => {
    while (i < text.length && /\s/.test(text[i]!)) i++;
  };
  space();
  if (i === text.length) return { ok: true, matchers: [] };
  if (text[i] !== '{') return fail('a query starts with {');
  i++;
  const matchers: Matcher[] = [];
  for (;;) {
    space();
    if (text[i] === '}') break;
    const name = /^[a-zA-Z_][a-zA-Z0-9_]*/.exec(text.slice(i))?.[0];
    if (name === undefined) return fail('a label name or } is missing here');
    i += name.length;
    space();
    const op = /^(=~|!~|!=|=)/.exec(text.slice(i))?.[0] as Matcher['op'] | undefined;
    if (op === undefined) return fail('one of = != =~ !~ is missing here');
    i += op.length;
    space();
    if (text[i] !== '"') return fail('a value in double quotes is missing here');
    i++;
    let value = '';
    while (i < text.length && text[i] !== '"') {
      if (text[i] === '\\' && i + 1 < text.length) {
        i++;
        value += ESCAPES[text[i]!] ?? text[i];
      } else value += text[i];
      i++;
    }
    if (i === text.length) return fail('the closing " is missing');
    i++;
    matchers.push({ name, op, value });
    space();
    if (text[i] === ',') i++;
    else if (text[i] !== '}') return fail('a , or } is missing here');
  }
  i++;
  space();
  return i === text.length ? { ok: true, matchers } : fail('nothing may follow }');
}

function quote(value: string): string {
  return `"${value.replace(/[\\"\n\t\r]/g, c => ({ '\n': '\\n', '\t': '\\t', '\r': '\\r' })[c] ?? `\\${c}`)}"`;
}

/** Empty when there are no matchers. */
export function formatQuery(matchers: Matcher[]): string {
  return matchers.length === 0 ? '' : `{${matchers.map(m => m.name + m.op + quote(m.value)).join(', ')}}`;
}

/** The matchers of a query; none when it cannot be read (the server's answer then says what is wrong). */
export function matchersOf(query: string): Matcher[] {
  const parsed = parseQuery(query);
  return parsed.ok ? parsed.matchers : [];
}

/** The value that the query pins a label to. */
export function equalTo(query: string, name: string): string | null {
  return matchersOf(query).find(m => m.name === name && m.op === '=')?.value ?? null;
}

/** Replaces every matcher on the given labels by equality with the values; null or absent only takes them out. */
export function withLabels(query: string, values: Record<string, string | null>): string {
  const kept = matchersOf(query).filter(m => !(m.name in values));
  for (const [name, value] of Object.entries(values)) if (value !== null) kept.push({ name, op: '=', value });
  return formatQuery(kept);
}
