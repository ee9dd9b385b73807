// SPDX-License-Identifier: Apache-2.0
// Makes the unwind tables of files as the agent does, each in a fresh child, and prints JSON: rows, blocks, time from
// the question to the answer.
//
//   node bench/unwind-tables.mjs FILE...      after script/build
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const checkout = fileURLToPath(new URL('..', import.meta.url));
const compiled = join(checkout, 'dist/symbolizer');
if (!existsSync(compiled)) {
  console.error('dist/ is not there: run script/build first');
  process.exit(1);
}
const { Reader } = await import(join(compiled, 'reader.js'));
const { FileTable } = await import(join(compiled, 'source-file.js'));
const { Opener } = await import(join(compiled, 'opener.js'));
const { describeTable } = await import(join(compiled, 'unwind-table.js'));

const MiB = 2 ** 20;
const results = [];
for (const path of process.argv.slice(2)) {
  const files = new FileTable({ files: 16, bytes: 2 ** 34 });
  const reader = new Reader(files, {
    path: join(checkout, 'build/stackwell-symbolizer'),
    memoryBytes: 512 * MiB,
    residentBytes: 1024 * MiB,
    descriptors: 64,
    timeoutMs: 2000,
    coldTimeoutMs: 10_000,
  });
  try {
    const opened = await new Opener(2000).inRoot('/', path);
    if (opened === null) throw new Error(`${path}: cannot be opened`);
    const file = files.use(path, 'elf');
    file.opened.push({ id: file.number, file: opened, role: 'self' });
    await reader.describe(file);
    const before = performance.now();
    const payload = await reader.unwindTable(file);
    const ms = Math.round(performance.now() - before);
    if (payload === null) throw new Error(`${path}: damaged`);
    const { blocks, levels, rows, unsaid, unreadable } = describeTable(payload);
    results.push({ path, bytes: statSync(path).size, rows, blocks, levels, unsaid, unreadable, ms });
  } finally {
    await reader.close();
  }
}
console.log(JSON.stringify(results, null, 2));
