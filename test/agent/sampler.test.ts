// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Drained } from '#native/bpf';
import type { PushSeries } from '../../src/agent/outbox/push-request.js';
import { Sampler, type SamplerOptions, untilBoundary } from '../../src/agent/profiling/sampler.js';
import type { Services } from '../../src/agent/profiling/services.js';
import type { Symbols } from '../../src/agent/profiling/symbols.js';
import { made, noTables } from './made-drain.js';

const log = { info: vi.fn(), warn: vi.fn(), error: vi.fn() };
let events: string[];
let windows: PushSeries[][];
let drains: number;

function drain(count: number): { drained: Drained; symbols: Symbols } {
  return made({
    samples: [{ kind: 0, process: 0, tid: 1, threadName: 't', stack: 0, count, value: count * 1e7 }],
    stacks: [{ locations: [0] }],
    locations: [{ space: 0, address: 1n, frames: [{ name: 'f' }] }],
    processes: [{ pid: 1, comm: 'c' }],
    lost: { counts_full: 2 },
  });
}

function sampler(options: Partial<SamplerOptions> = {}): Sampler {
  const { symbols } = drain(1);
  return new Sampler({
    profiler: {
      poll: () => 0,
      async drain() {
        events.push('drain');
        return drain(++drains).drained;
      },
      close: () => void events.push('detach'),
      ...noTables,
    },
    symbols: {
      symbolize: async () => symbols,
      stats: () => ({ restarts: 0, cachedLocations: 0, residentBytes: 0, pid: null }),
      close: async () => {},
      unwindTable: async () => ({ buildId: '', table: null, later: false }),
      describeRuntime: async () => null,
      findThreads: async () => null,
    },
    services: {
      resolve: async () => ({ groups: [{ service_name: 's' }], groupOf: new Uint32Array(1) }),
    } as unknown as Services,
    containers: { poll: async () => {} },
    encode: async () => new Uint8Array(3),
    hz: 100,
    attach: false,
    windowMs: 100,
    firstWindowMs: 20,
    async deliver(series) {
      events.push('deliver');
      windows.push(series);
    },
    log,
    ...options,
  });
}

beforeEach(() => {
  events = [];
  windows = [];
  drains = 0;
});
afterEach(() => vi.clearAllMocks());

test('first window soon, then by the clock, and the rest when it is closed', async () => {
  const running = sampler();
  running.start();
  await sleep(60);
  expect(windows.length).toBeGreaterThan(0);
  await sleep(400);
  await running.close();
  expect(windows.length).toBeGreaterThanOrEqual(4);
  // The last window is whole before anything is detached, and is delivered after.
  expect(events.slice(events.lastIndexOf('drain'))).toEqual(['drain', 'detach', 'deliver', 'detach']);
  const [series] = windows[0]!;
  expect(series!.labels).toEqual({ service_name: 's', __name__: 'process_cpu' });
  const ids = windows.flat().map(one => one.id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/);
  // 1 + 2 + 3 + …: every drain was counted once, and each loss with it.
  expect(running.totals.samples).toBe((drains * (drains + 1)) / 2);
  expect(running.totals.lost).toEqual({ counts_full: 2 * drains });
  const after = drains;
  await sleep(150);
  expect(drains).toBe(after);
});

test('never two windows at once: a slow one makes the next longer', async () => {
  let atOnce = 0;
  const running = sampler({
    async deliver(series) {
      expect(++atOnce).toBe(1);
      await sleep(250);
      atOnce--;
      windows.push(series);
    },
  });
  running.start();
  await sleep(700);
  await running.close();
  expect(running.totals.lateWindows).toBeGreaterThan(0);
  expect(windows.length).toBe(drains);
  expect(running.totals.failedWindows).toBe(0);
});

test('a window that fails is counted, said, and the next one goes on', async () => {
  let calls = 0;
  const { symbols } = drain(1);
  const running = sampler({
    symbols: {
      async symbolize() {
        if (++calls === 1) throw new Error('broken');
        return symbols;
      },
      stats: () => ({ restarts: 0, cachedLocations: 0, residentBytes: 0, pid: null }),
      close: async () => {},
      unwindTable: async () => ({ buildId: '', table: null, later: false }),
      describeRuntime: async () => null,
      findThreads: async () => null,
    },
  });
  running.start();
  await sleep(300);
  await running.close();
  expect(running.totals.failedWindows).toBe(1);
  expect(log.error).toHaveBeenCalledOnce();
  expect(windows.length).toBe(drains - 1);
});

test('an empty drain makes no profile', async () => {
  const running = sampler({
    profiler: {
      poll: () => 0,
      drain: async () => made({ samples: [], stacks: [], locations: [], processes: [] }).drained,
      close: () => {},
      ...noTables,
    },
  });
  running.start();
  await sleep(60);
  await running.close();
  expect(windows).toEqual([]);
  expect(running.totals.windows).toBeGreaterThan(0);
});

test.each([
  [10_000, 10_000, 10_020],
  [10_000, 13_000, 7020],
  [10_000, 17_500, 2520],
  // 1 ms before the boundary: that timer fired early, and a window of 1 ms is none.
  [10_000, 19_999, 10_021],
])('window %i at %i: next in %i', (windowMs, now, next) => expect(untilBoundary(windowMs, now)).toBe(next));
