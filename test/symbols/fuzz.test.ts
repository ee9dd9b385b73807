// SPDX-License-Identifier: Apache-2.0
// Files that were damaged, through the real child: each is answered or refused in time, and harms nothing else. The same
// files in each run; `script/fuzz` does more of them.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { scratch } from './fixtures.js';
import { Fuzzer } from './fuzz/fuzzer.js';

const { folder, remove } = scratch();
afterAll(remove);

const inputs = Number(process.env.STACKWELL_FUZZ_INPUTS ?? 3000);
const first = Number(process.env.STACKWELL_FUZZ_FIRST ?? 0);
const long = process.env.STACKWELL_FUZZ_INPUTS !== undefined;
const milliseconds = long ? Number.POSITIVE_INFINITY : 30_000;

it('every damaged file is answered or refused', { timeout: long ? 2 ** 31 - 1 : 120_000 }, async () => {
  const fuzzer = new Fuzzer(folder);
  try {
    const report = await fuzzer.run(first, inputs, milliseconds);
    const output = fileURLToPath(new URL('../../build/test/', import.meta.url));
    mkdirSync(output, { recursive: true });
    writeFileSync(`${output}fuzz.json`, `${JSON.stringify(report, null, 2)}\n`);
    expect(report.failures).toEqual([]);
    if (long) return;
    // Some are refused, and most are damaged so little that something can be said.
    expect(report.inputs).toBeGreaterThan(200);
    for (const outcome of [
      'refused',
      'names',
      'no names',
      'table',
      'debug file attached',
      'debug file refused',
    ])
      expect(report.outcomes[outcome] ?? 0, outcome).toBeGreaterThan(0);
  } finally {
    await fuzzer.close();
  }
});
