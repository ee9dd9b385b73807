// SPDX-License-Identifier: Apache-2.0
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const PAGE = fileURLToPath(new URL('../../docs/statistics.md', import.meta.url));
const END = '<!-- end -->';

/** Puts the output of bench/NAME.mjs where docs/statistics.md has its place. */
export function intoPage(name, markdown) {
  const page = readFileSync(PAGE, 'utf8');
  const mark = `<!-- from bench/${name}.mjs -->`;
  const start = page.indexOf(mark);
  const end = page.indexOf(END, start);
  if (start < 0 || end < 0) throw new Error(`${PAGE} has no place ${mark}`);
  writeFileSync(PAGE, `${page.slice(0, start + mark.length)}\n${markdown}\n${page.slice(end)}`);
}
