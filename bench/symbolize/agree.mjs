// SPDX-License-Identifier: Apache-2.0
// Three tools name the same addresses: who agrees with whom, and in what the others differ.
import { execFileSync } from 'node:child_process';

/** Compilers copy functions (`.isra.0`, constructor variants): DWARF names the original, the symbol table the copy. */
const original = name =>
  name
    .replace(/@.*$/, '')
    .replace(/(\.(isra|part|constprop|cold|llvm|lto_priv)(\.\d+)?)+$/, '')
    .replace(/([CD])[0-5](E|I)/g, '$1*$2');

/** Where a build's folders are relative, the others put the same folder in front of itself. */
const place = file => file.replace(/^([^/].*)\/\1\//, '$1/');

/** '' or in what two lists of frames differ first. `aliases`: by name, all names of the same code. */
function difference(a, b, aliases) {
  const [none, nothing] = [a, b].map(frames => frames.length === 0 || frames[0].name === '');
  if (none || nothing) return none === nothing ? '' : 'missing';
  if (a.length !== b.length) return 'inlined calls';
  for (let i = 0; i < a.length; i++) {
    const [one, other] = [original(a[i].name), original(b[i].name)];
    if (one !== other && !aliases.get(one)?.has(other)) return 'name';
    if (a[i].line !== b[i].line) return 'line';
    if (place(a[i].file) !== place(b[i].file)) return 'file';
  }
  return '';
}

/** Symbols at one address are names of the same code. */
export function aliasesOf(file) {
  const table = execFileSync('readelf', ['-sW', file], { encoding: 'utf8', maxBuffer: 1 << 30 });
  const at = new Map();
  for (const [, address, name] of table.matchAll(
    /^\s*\d+: ([0-9a-f]+)\s+\w+ FUNC\s+\w+\s+\w+\s+\w+\s+(\S+)/gm,
  )) {
    const names = at.get(address);
    if (names === undefined) at.set(address, new Set([original(name)]));
    else names.add(original(name));
  }
  const aliases = new Map();
  for (const names of at.values())
    for (const name of names) aliases.set(name, new Set([...(aliases.get(name) ?? []), ...names]));
  return aliases;
}

/**
 * `agree`, addresses by who says the same as Stackwell: `all`; `llvm` or `gnu`, only that one; `peers`, the two say the
 * same and Stackwell does not; `none`, three answers. `differ`: of all but the first, in what, and an example's row.
 */
export function agreement(own, llvm, gnu, aliases) {
  const agree = { all: 0, llvm: 0, gnu: 0, peers: 0, none: 0 };
  const differ = {};
  for (let row = 0; row < own.length; row++) {
    const fromLlvm = difference(own[row], llvm[row], aliases);
    const fromGnu = difference(own[row], gnu[row], aliases);
    let who = 'none';
    if (fromLlvm === '') who = fromGnu === '' ? 'all' : 'llvm';
    else if (fromGnu === '') who = 'gnu';
    else if (difference(llvm[row], gnu[row], aliases) === '') who = 'peers';
    agree[who]++;
    if (who === 'all') continue;
    const what = `${who}: ${fromLlvm || fromGnu}`;
    differ[what] ??= { addresses: 0, example: row };
    differ[what].addresses++;
  }
  return { agree, differ };
}
