// SPDX-License-Identifier: Apache-2.0
// What it costs to know which request samples are of (docs/trace-link.md). Prints JSON:
//   kernel   nanoseconds of BPF for a sample: not asked for; nobody publishes; somebody else does; the process does, with
//            the variable at a fixed place, and in a library that was loaded late
//   storage  of profiles with 1,000 traces each, beside the same ones without: bytes and milliseconds of CPU
//
//   node bench/traces.mjs       as root, after script/build
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Profiler } from '#native/bpf';
import { encode, Merger, SymbolWriter, sumProfiles } from '#native/profile';
import { Publishers } from '../dist/agent/profiling/publishers.js';
import { Symbolizer } from '../dist/agent/profiling/symbolizer/symbolizer.js';
import { UnwindTables } from '../dist/agent/profiling/unwind-tables.js';

const [HZ, ROUNDS, ROUND_MS] = [997, 25, 200];
const STATS = '/proc/sys/kernel/bpf_stats_enabled';
const root = fileURLToPath(new URL('..', import.meta.url));
/** The lower one: other users of the machine only make it slower. */
const quartile = values => values.sort((a, b) => a - b)[values.length >> 2];
/** CPU time of this process with all its threads: others on the machine do not count. */
const cpuMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
const median = values => values.sort((a, b) => a - b)[values.length >> 1];

function build(folder) {
  const gcc = (...options) =>
    execFileSync('gcc', ['-std=gnu17', '-O2', '-g', '-fno-omit-frame-pointer', '-pthread', ...options]);
  const [main, variable] = ['publisher.c', 'context.c'].map(name => join(root, 'test/programs', name));
  const [fixed, late, library] = ['fixed', 'late', 'late.so'].map(name => join(folder, name));
  gcc('-Wl,--export-dynamic-symbol=otel_thread_ctx_v1', '-o', fixed, main, variable);
  gcc('-fPIC', '-shared', '-mtls-dialect=gnu', '-o', library, variable);
  gcc('-DLOADED', '-o', late, main);
  return { fixed: [fixed, 'half'], late: [late, 'half', library] };
}

/** A profiler of the process `pid`, which knows where the process `publisher` has its threads' context. */
async function watch(symbols, pid, traces, publisher = 0) {
  const scope = one => ({ kind: 'processes', pids: [one] });
  const profiler = new Profiler({
    objects: join(root, 'build/bpf'),
    scope: scope(publisher || pid),
    cgroupHierarchy: 'cpu',
    onCpu: { hz: HZ },
    traces,
  });
  const tables = new UnwindTables(profiler, symbols);
  const publishers = new Publishers(profiler, symbols);
  process.kill(publisher || pid, 'SIGCONT');
  const follow = async ms => {
    for (const until = performance.now() + ms; performance.now() < until; ) {
      profiler.poll();
      tables.follow();
      if (publisher !== 0) publishers.follow();
      await sleep(50);
      if (publisher !== 0 && profiler.memory.publishers === 1) return;
    }
  };
  await follow(publisher === 0 ? 1500 : 10_000);
  if (profiler.memory.publishers !== (publisher === 0 ? 0 : 1))
    throw new Error('where it publishes is not known');
  profiler.setScope(scope(pid));
  process.kill(publisher || pid, 'SIGSTOP');
  process.kill(pid, 'SIGCONT');
  publisher = 0;
  await follow(1500);
  process.kill(pid, 'SIGSTOP');
  return { profiler, pid };
}

async function kernel() {
  const folder = mkdtempSync(join(tmpdir(), 'stackwell-traces-'));
  const before = readFileSync(STATS, 'utf8');
  const children = [];
  const symbols = await Symbolizer.start();
  try {
    writeFileSync(STATS, '1');
    const start = command => {
      const child = spawn('nice', ['-n', '-20', ...command], { stdio: ['pipe', 'ignore', 'inherit'] });
      children.push(child);
      return child.pid;
    };
    const { fixed, late } = build(folder);
    const pids = { fixed: start(fixed), late: start(late) };
    for (const pid of Object.values(pids)) {
      while (!readFileSync(`/proc/${pid}/maps`, 'utf8').includes('OTEL_CTX')) await sleep(20);
      await sleep(50);
      process.kill(pid, 'SIGSTOP');
    }
    const cases = {
      'not asked for': await watch(symbols, pids.fixed, false),
      'nobody publishes': await watch(symbols, pids.fixed, true),
      'somebody else does': await watch(symbols, pids.fixed, true, pids.late),
      'at a fixed place': await watch(symbols, pids.fixed, true, pids.fixed),
      'loaded late, not asked for': await watch(symbols, pids.late, false),
      'loaded late': await watch(symbols, pids.late, true, pids.late),
    };
    const costs = Object.fromEntries(Object.keys(cases).map(name => [name, []]));
    const cost = profiler => profiler.programs().find(({ name }) => name === 'sw_on_cpu').runNs;
    // By turns, many times: one is at work, the others look at this process only, which sleeps. The program that is
    // looked at has the machine for itself.
    const scope = pid => ({ kind: 'processes', pids: [pid] });
    for (const { profiler } of Object.values(cases)) profiler.setScope(scope(process.pid));
    for (let round = 0; round < ROUNDS; round++)
      for (const [name, { profiler, pid }] of Object.entries(cases)) {
        profiler.setScope(scope(pid));
        process.kill(pid, 'SIGCONT');
        await sleep(100);
        await profiler.drain();
        const from = cost(profiler);
        await sleep(ROUND_MS);
        const to = cost(profiler);
        const { samples } = await profiler.drain();
        process.kill(pid, 'SIGSTOP');
        profiler.setScope(scope(process.pid));
        costs[name].push(Number(to - from) / samples.count.reduce((sum, each) => sum + each, 0));
      }
    for (const { profiler } of Object.values(cases)) profiler.close();
    return Object.fromEntries(Object.entries(costs).map(([name, all]) => [name, Math.round(quartile(all))]));
  } finally {
    writeFileSync(STATS, before);
    for (const child of children) child.kill('SIGKILL');
    await symbols.close();
    rmSync(folder, { recursive: true });
  }
}

/** A profile of 3,000 samples; of 1,000 requests with a trace and a span each, or of none. */
function profile(requests) {
  const strings = [''];
  const known = new Map([['', 0]]);
  const text = one => {
    if (!known.has(one)) known.set(one, strings.push(one) - 1);
    return known.get(one);
  };
  const [SAMPLES, FUNCTIONS, DEPTH, STACKS] = [3000, 400, 30, 200];
  const names = Array.from({ length: FUNCTIONS }, (_, i) => `example.com/service/module.Function${i}`);
  const rows = Array.from({ length: SAMPLES }, (_, i) => i);
  const labels = [];
  let request = [];
  for (const i of rows) {
    if (i % 3 === 0)
      request = [
        ['trace_id', randomBytes(16).toString('hex')],
        ['span_id', randomBytes(8).toString('hex')],
      ];
    labels.push([['pid', '4711'], ['thread_name', `worker-${i % 8}`], ...(requests ? request : [])]);
  }
  const flat = labels.flat();
  return encode(
    {
      sampleTypes: [{ type: text('cpu'), unit: text('nanoseconds') }],
      periodType: { type: text('cpu'), unit: text('nanoseconds') },
      period: 10_000_000n,
      timeNanos: 1_780_000_000_000_000_000n,
      durationNanos: 10_000_000_000n,
      comments: new Uint32Array(0),
      defaultSampleType: 0,
      dropFrames: 0,
      keepFrames: 0,
      docUrl: 0,
      mappings: {
        start: new BigUint64Array(1),
        limit: new BigUint64Array([1n << 62n]),
        offset: new BigUint64Array(1),
        filename: Uint32Array.of(text('/usr/bin/app')),
        buildId: Uint32Array.of(text('abcdef')),
        flags: Uint8Array.of(15),
      },
      functions: {
        name: Uint32Array.from(names, text),
        systemName: Uint32Array.from(names, text),
        filename: Uint32Array.from(names, name => text(`${name}.go`)),
        startLine: new BigInt64Array(FUNCTIONS),
      },
      locations: {
        mapping: new Int32Array(FUNCTIONS),
        address: BigUint64Array.from(names, (_, i) => BigInt(0x1000 + i)),
        isFolded: new Uint8Array(FUNCTIONS),
        lineOffset: Uint32Array.from({ length: FUNCTIONS + 1 }, (_, i) => i),
      },
      lines: {
        function: Int32Array.from(names.keys()),
        line: new BigInt64Array(FUNCTIONS),
        column: new BigInt64Array(FUNCTIONS),
      },
      samples: {
        locationOffset: Uint32Array.from({ length: SAMPLES + 1 }, (_, i) => i * DEPTH),
        location: Uint32Array.from(
          rows.flatMap(i =>
            Array.from({ length: DEPTH }, (_, at) => ((i % STACKS) * 7 + at * 13) % FUNCTIONS),
          ),
        ),
        values: new BigInt64Array(SAMPLES).fill(10_000_000n),
        labelOffset: Uint32Array.from({ length: SAMPLES + 1 }, (_, i) => i * labels[0].length),
      },
      labels: {
        key: Uint32Array.from(flat, ([key]) => text(key)),
        str: Uint32Array.from(flat, ([, value]) => text(value)),
        num: new BigInt64Array(flat.length),
        numUnit: new Uint32Array(flat.length),
      },
      strings,
    },
    { gzipLevel: 1 },
  );
}

/** An hour of windows of 10 s. */
async function storage(requests) {
  const WINDOWS = 360;
  const writer = new SymbolWriter({ segmentPrefix: '20260601-0123456789abcdef-' });
  const segments = [];
  const profiles = [];
  const times = [];
  for (let window = 0; window < WINDOWS; window++) {
    const pprof = await profile(requests);
    const begun = cpuMs();
    const batch = await writer.add(pprof);
    times.push(cpuMs() - begun);
    writer.commit(batch.ticket);
    if (batch.segment !== null) segments.push(batch.segment);
    profiles.push(batch.profiles[0]);
  }
  const bytes = segments.reduce((sum, one) => sum + one.bytes.length, 0) - segments[0].bytes.length;
  const rollups = [];
  let begun = cpuMs();
  for (let from = 0; from < WINDOWS; from += 6) {
    const some = profiles.slice(from, from + 6);
    if (!requests) {
      rollups.push(await sumProfiles(some));
      continue;
    }
    const merger = new Merger({ sampleLabels: { except: ['trace_id', 'span_id', 'profile_id'] } });
    const ids = new Set(some.flatMap(one => one.segments));
    await merger.addSegments(segments.filter(({ id }) => ids.has(id)));
    await merger.addProfiles(some);
    const { ticket, profiles: made } = await merger.rollUp(writer);
    writer.commit(ticket);
    rollups.push(made[0]);
  }
  const minuteMs = (cpuMs() - begun) / rollups.length;
  const hour = await sumProfiles(rollups);
  begun = cpuMs();
  const merger = new Merger({
    sampleLabels: false,
    matchers: [{ name: 'trace_id', op: '=', value: profiles[200].facets.trace_id?.[0] ?? '' }],
  });
  await merger.addSegments(segments);
  await merger.addProfiles(profiles);
  await merger.flamegraph();
  return {
    rowsAProfile: profiles[1].rowCount,
    symbolBytesAProfile: Math.round(bytes / (WINDOWS - 1)),
    rowBytesAProfile: profiles[1].rows.length,
    takeInCpuMs: Math.round(median(times) * 10) / 10,
    writerBytes: writer.size.bytes,
    rollupOfAMinuteCpuMs: Math.round(minuteMs * 10) / 10,
    rowsOfAMinute: rollups[0].rowCount,
    rowsOfAnHour: hour.rowCount,
    oneTraceInAnHourCpuMs: Math.round(cpuMs() - begun),
  };
}

const result = {
  kernel: await kernel(),
  storage: { with1000Traces: await storage(true), without: await storage(false) },
};
process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
