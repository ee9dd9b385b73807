// SPDX-License-Identifier: Apache-2.0
// Damaged pprof over HTTP, to a server in a process of its own: each gets one answer, nothing is stored in part, and the
// server stays within its memory. STACKWELL_FUZZ_PROFILES sets how many (script/fuzz-ingest).
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ERRORS } from '../../src/errors.js';

const COUNT = Number(process.env.STACKWELL_FUZZ_PROFILES ?? 3000);
const AT_ONCE = 8;
const MOST_MEMORY_MB = 700;
const SERVE = fileURLToPath(new URL('./serve.mjs', import.meta.url));
const PROFILES = fileURLToPath(new URL('../../bench/server/profiles', import.meta.url));

let folder: string;
let child: ChildProcess;
let url: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'stackwell-fuzz-'));
  child = fork(SERVE, [folder], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const [message] = (await once(child, 'message')) as [{ url: string }];
  url = message.url;
});
afterEach(() => {
  child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** Numbers that are the same in every run, by their seed (xorshift). */
function numbers(seed: number): (below: number) => number {
  let state = (seed + 1) * 0x9e3779b1;
  return below => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const SPECIAL = [0x00, 0x01, 0x7f, 0x80, 0xff, 0x0a, 0x12, 0x22, 0x32];

function damage(plain: Buffer, seed: number): Buffer {
  const pick = numbers(seed);
  let bytes: Buffer = Buffer.from(plain);
  for (let times = 1 + pick(6); times > 0; times--) {
    const at = pick(bytes.length);
    switch (pick(7)) {
      case 0:
        bytes[at] = pick(256);
        break;
      case 1:
        bytes[at]! ^= 1 << pick(8);
        break;
      case 2:
        bytes[at] = SPECIAL[pick(SPECIAL.length)]!;
        break;
      case 3: // cut out
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          bytes.subarray(Math.min(bytes.length, at + 1 + pick(64))),
        ]);
        break;
      case 4: // a part twice
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          bytes.subarray(at, at + pick(512)),
          bytes.subarray(at),
        ]);
        break;
      case 5: // a long number
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, pick(3)]),
          bytes.subarray(at),
        ]);
        break;
      default: // cut off
        if (pick(4) === 0) bytes = bytes.subarray(0, Math.max(1, at));
    }
    if (bytes.length === 0) bytes = Buffer.from([0]);
  }
  return bytes;
}

/** Most of them whole gzip around damaged content, some with the gzip itself damaged, some plain. */
function body(plains: Buffer[], seed: number): Buffer {
  const pick = numbers(seed ^ 0x5bd1e995);
  const plain = plains[pick(plains.length)]!;
  const kind = pick(10);
  if (kind === 0) return damage(gzipSync(plain, { level: 1 }), seed);
  const damaged = damage(plain, seed);
  return kind < 4 ? damaged : gzipSync(damaged, { level: 1 });
}

it(`answers each of ${COUNT} damaged profiles, stores those that it took and nothing of the others`, {
  timeout: 120_000 + COUNT * 10,
}, async () => {
  const plains = readdirSync(PROFILES)
    .filter(name => name.endsWith('.pb.gz'))
    .map(name => gunzipSync(readFileSync(join(PROFILES, name))));
  expect(plains.length).toBeGreaterThan(3);
  const codes = new Map<string, number>();
  let taken = 0;
  let slowest = 0;
  let next = 0;
  const client = async () => {
    while (next < COUNT) {
      const seed = next++;
      const started = performance.now();
      const answer = await fetch(`${url}/ingest?name=fuzz&format=pprof&from=now-1m`, {
        method: 'POST',
        body: body(plains, seed) as BodyInit,
      });
      const text = await answer.text();
      slowest = Math.max(slowest, performance.now() - started);
      if (answer.status === 200) {
        taken++;
        continue;
      }
      const { code } = JSON.parse(text) as { code: keyof typeof ERRORS };
      expect([seed, answer.status, Object.hasOwn(ERRORS, code)]).toEqual([seed, ERRORS[code]?.status, true]);
      expect([seed, answer.status >= 400 && answer.status < 500]).toEqual([seed, true]);
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, client));
  expect(child.exitCode).toBeNull();
  // Some damage does no harm, most does: both happened, or this tests nothing.
  expect(taken).toBeGreaterThan(COUNT / 50);
  expect(codes.get('SW_PPROF_INVALID')).toBeGreaterThan(COUNT / 10);
  expect(slowest).toBeLessThan(5000);
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  const peak = Number(/VmHWM:\s+(\d+)/.exec(status)![1]) / 1024;
  expect(peak).toBeLessThan(MOST_MEMORY_MB);

  const metrics = await (await fetch(`${url}/metrics`)).text();
  const metric = (name: string) =>
    Number(
      metrics
        .split('\n')
        .find(line => line.startsWith(name))!
        .split(' ')[1],
    );
  // A pprof becomes a profile for each of its sample types.
  const refused = [...codes.values()].reduce((sum, count) => sum + count, 0);
  expect(metric('stackwell_ingest_profiles_total{result="refused"}')).toBe(refused);
  const stored = metric('stackwell_ingest_profiles_total{result="stored"}');
  expect(metric('stackwell_store_objects{kind="profiles"}')).toBeGreaterThanOrEqual(stored);
  // All of it can be read, whatever types and times the damage made of them.
  const { types } = (await (await fetch(`${url}/api/v1/types?from=0&until=now%2B2h`)).json()) as {
    types: { id: string }[];
  };
  let profiles = 0;
  for (const { id } of types) {
    const top = (await (
      await fetch(`${url}/api/v1/top?from=0&until=now%2B2h&limit=1&type=${encodeURIComponent(id)}`)
    ).json()) as { profiles: number; warnings: string[] };
    expect([id, top.warnings]).toEqual([id, []]);
    profiles += top.profiles;
  }
  expect(profiles).toBe(stored);
  console.log(
    JSON.stringify({
      count: COUNT,
      taken,
      codes: Object.fromEntries(codes),
      slowestMs: slowest,
      peakMB: peak,
    }),
  );
});
