// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
import { StackwellError } from '../errors.js';
import { type Config, configSchema } from './config.js';

/** Values from the command line, by path into the schema; they win over the file. */
export type Overrides = [path: string[], value: unknown][];

/** Reads the file (none: all defaults), applies the overrides, checks. Throws SW_CONFIG_INVALID with file and line. */
export function loadConfig(file: string | undefined, overrides: Overrides = []): Config {
  const lines = new LineCounter();
  let document: ReturnType<typeof parseDocument> | undefined;
  let raw: Record<string, unknown> = {};
  if (file !== undefined) {
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch (error) {
      throw new StackwellError(
        'SW_CONFIG_INVALID',
        { reason: `${file}: ${(error as Error).message}` },
        error,
      );
    }
    // Aliases are refused: a few lines of them can expand to gigabytes.
    document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
    const syntax = document.errors[0];
    if (syntax !== undefined) {
      const { line } = lines.linePos(syntax.pos[0]);
      throw new StackwellError('SW_CONFIG_INVALID', {
        reason: `${file}:${line}: ${syntax.message.split('\n')[0]}`,
      });
    }
    try {
      raw = (document.toJS({ maxAliasCount: 0 }) as Record<string, unknown> | null) ?? {};
    } catch (error) {
      throw new StackwellError(
        'SW_CONFIG_INVALID',
        { reason: `${file}: ${(error as Error).message}` },
        error,
      );
    }
  }
  const fromFlags = new Set<string>();
  if (typeof raw === 'object' && !Array.isArray(raw)) {
    for (const [path, value] of overrides) {
      if (value === undefined) continue;
      let section = raw;
      for (const key of path.slice(0, -1)) {
        section[key] ??= {};
        section = section[key] as Record<string, unknown>;
      }
      section[path.at(-1)!] = value;
      fromFlags.add(path.join('.'));
    }
  }
  const result = configSchema.safeParse(raw);
  if (result.success) return result.data;
  const reasons = result.error.issues.map(issue => {
    const path = issue.path.map(String);
    const name = path.join('.');
    if (document === undefined || fromFlags.has(name)) return `${name}: ${issue.message}`;
    return `${file}:${lineOf(document, lines, path)}: ${name === '' ? '' : `${name}: `}${issue.message}`;
  });
  throw new StackwellError('SW_CONFIG_INVALID', { reason: reasons.join('; ') });
}

/** Line of the deepest part of the path that is in the document. */
function lineOf(document: ReturnType<typeof parseDocument>, lines: LineCounter, path: string[]): number {
  for (let depth = path.length; depth > 0; depth--) {
    const node = document.getIn(path.slice(0, depth), true) as
      | { range?: [number, number, number] }
      | undefined;
    if (node?.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
}
