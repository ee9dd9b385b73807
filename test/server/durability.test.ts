// SPDX-License-Identifier: Apache-2.0
// kill -9 under load: what was acknowledged is there after the restart, once.
import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { pprof } from './fixtures.js';

const SERVE = fileURLToPath(new URL('./serve.mjs', import.meta.url));
/** script/soak does 200. */
const ROUNDS = Number(process.env.STACKWELL_KILLS ?? 20);
const CLIENTS = 6;

let folder: string;
let child: ChildProcess | null = null;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stackwell-kill-'));
});
afterEach(() => {
  child?.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

async function start(): Promise<string> {
  child = fork(SERVE, [folder], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const [message] = (await once(child, 'message')) as [{ url: string }];
  return message.url;
}

async function stop(signal: NodeJS.Signals): Promise<void> {
  const gone = once(child!, 'exit');
  child!.kill(signal);
  await gone;
  child = null;
}

/** One profile, worth 1, with labels of its own: so every stored profile can be told from the others. */
async function push(url: string, id: string, rawProfile: string): Promise<boolean> {
  const labels = { service_name: `svc-${id.charCodeAt(0) % 3}`, __name__: 'process_cpu', unique: id };
  const series = Object.entries(labels).map(([name, value]) => ({ name, value }));
  try {
    const answer = await fetch(`${url}/push.v1.PusherService/Push`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ series: [{ labels: series, samples: [{ rawProfile, ID: id }] }] }),
    });
    return answer.status === 200;
  } catch {
    return false;
  }
}

it(`loses nothing that it acknowledged, over ${ROUNDS} times kill -9 under load`, {
  timeout: 60_000 + ROUNDS * 6000,
}, async () => {
  const acknowledged = new Set<string>();
  const unsure = new Set<string>();
  const body = async () =>
    Buffer.from(await pprof({ samples: [{ stack: [randomUUID(), 'main'], values: [1] }] })).toString(
      'base64',
    );
  for (let round = 0; round < ROUNDS; round++) {
    const url = await start();
    let running = true;
    const clients = Array.from({ length: CLIENTS }, async () => {
      while (running) {
        const id = randomUUID();
        const raw = await body();
        unsure.add(id);
        if (!(await push(url, id, raw))) return;
        acknowledged.add(id);
        // As a client does whose answer was lost: the same again.
        if (id < '4' && !(await push(url, id, raw))) return;
      }
    });
    const before = acknowledged.size;
    // Each time a little later: in the first answers, in the middle, while segments and rollups are written.
    await expect
      .poll(() => acknowledged.size, { timeout: 30_000, interval: 5 })
      .toBeGreaterThan(before + (round % 40));
    await stop('SIGKILL');
    running = false;
    await Promise.all(clients);
  }
  const url = await start();
  const top = (await (await fetch(`${url}/api/v1/labels/unique/values?limit=100000&from=now-2h`)).json()) as {
    values: string[];
    omitted: number;
  };
  const stored = new Set(top.values);
  expect(top.omitted).toBe(0);
  expect([...acknowledged].filter(id => !stored.has(id))).toEqual([]);
  expect([...stored].filter(id => !unsure.has(id))).toEqual([]);
  // Each is worth 1: stored twice, or with symbols that cannot be read, and the sum would differ.
  const answer = (await (await fetch(`${url}/api/v1/top?from=now-2h&limit=100000`)).json()) as {
    sum: number;
    profiles: number;
    warnings: string[];
    functions: { name: string[] };
  };
  expect([answer.sum, answer.profiles, answer.warnings]).toEqual([stored.size, stored.size, []]);
  expect(answer.functions.name.length).toBe(stored.size + 1);
  expect(acknowledged.size).toBeGreaterThan(ROUNDS * CLIENTS);
});

it('finishes what is under way and leaves one tidy file when it is asked to stop', async () => {
  const url = await start();
  const raw = Buffer.from(await pprof({ samples: [{ stack: ['a'], values: [1] }] })).toString('base64');
  const ids = Array.from({ length: 50 }, () => randomUUID());
  const pushes = Promise.all(ids.map(id => push(url, id, raw)));
  await new Promise(resolve => setTimeout(resolve, 20));
  const asked = performance.now();
  await stop('SIGTERM');
  // Clients keep their connections open; that is no reason to wait for them.
  expect(performance.now() - asked).toBeLessThan(10_000);
  const accepted = (await pushes).filter(Boolean).length;
  expect(readdirSync(folder).sort()).toEqual(['lock.db', 'stackwell.db']);
  const again = await start();
  const { sum } = (await (await fetch(`${again}/api/v1/top`)).json()) as { sum: number };
  expect(sum).toBe(accepted);
});
