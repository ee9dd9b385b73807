// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { pprofOf } from './stored.js';

const room = fileURLToPath(new URL('../../native/profile/', import.meta.url));

it('hashes as the reference does, and as it always did', () => {
  const folder = mkdtempSync(join(tmpdir(), 'stackwell-engine-'));
  try {
    const program = join(folder, 'hash_test');
    const sources = ['hash.cc', 'hash_test.cc'].map(name => join(room, name));
    execFileSync('g++', ['-std=c++20', '-o', program, ...sources], { stdio: 'inherit' });
    expect(execFileSync(program, { encoding: 'utf8' })).toBe('');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** Decodes in a loop and never waits for all of it. */
const source = `
  const { parentPort, workerData } = require('node:worker_threads');
  import(workerData.engine).then(async ({ decode, Merger, SymbolWriter }) => {
    const merger = new Merger();
    const writer = new SymbolWriter();
    const batch = await writer.add(workerData.pprof);
    await merger.addSegment(batch.segment.id, batch.segment.bytes);
    await merger.addProfiles(batch.profiles);
    parentPort.postMessage((await merger.top()).sum);
    for (;;) {
      for (let i = 0; i < 20; i++) {
        void decode(workerData.pprof);
        void merger.flamegraph();
        void writer.add(workerData.pprof);
      }
      await decode(workerData.pprof);
    }
  });
`;

it('works in worker threads, also when they are stopped at work', async () => {
  const pprof = await pprofOf([{ stack: ['a', 'b'], values: [7n] }]);
  const workerData = { engine: join(room, 'index.js'), pprof };
  await Promise.all(
    [0, 1, 2].map(async i => {
      const worker = new Worker(source, { eval: true, workerData });
      const sum = await new Promise((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
      });
      expect(sum).toBe(7n);
      await new Promise(resolve => setTimeout(resolve, 20 * i));
      await worker.terminate();
    }),
  );
});
