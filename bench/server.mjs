// SPDX-License-Identifier: Apache-2.0
// node bench/server.mjs [--quick] [--only NAME,…] [--json FILE]: taking profiles in and answering questions, beside Grafana
// Pyroscope with both of its storages, in one run, by one load tool (bench/server/load). Prints Markdown; 45 minutes.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { arch, cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { markdown } from './server/report.mjs';
import { TARGETS } from './server/targets.mjs';

const FOLDER = fileURLToPath(new URL('./server', import.meta.url));
const args = process.argv.slice(2);
const option = name => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);
const quick = args.includes('--quick');

const CONNECTIONS = quick
  ? [
      [1, 60],
      [8, 300],
      [32, 1000],
    ]
  : [
      [1, 100],
      [8, 800],
      [32, 2500],
      [128, 3000],
    ];
const RANGES = quick ? [1000] : [1000, 10_000, 50_000];
const SPREAD_MIN = 30;
const TIMES = quick ? 3 : 7;
/** What a server needed to start it has given back by then. */
const IDLE_S = 60;
/** For one server to finish what it does after profiles came: rollups here, compaction there. */
const SETTLE_S = quick ? 60 : 120;

const log = text => process.stderr.write(`${text}\n`);
const wait = ms => new Promise(resolve => setTimeout(resolve, ms));

function buildLoad() {
  const binary = join(tmpdir(), 'stackwell-loadgen');
  execFileSync('go', ['build', '-o', binary, '.'], {
    cwd: join(FOLDER, 'load'),
    env: { ...process.env, CGO_ENABLED: '0' },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return binary;
}

const loadgen = buildLoad();

function run(mode, running, more) {
  const flags = Object.entries({ url: running.url, pid: running.pid, ...more }).flatMap(([name, value]) => [
    `-${name}`,
    String(value),
  ]);
  const text = execFileSync(loadgen, [mode, ...flags], { encoding: 'utf8', maxBuffer: 1 << 24 });
  const result = JSON.parse(text);
  if (result.errors > 0) log(`  ${result.errors} errors: ${result.first_error}`);
  return result;
}

const push = (running, more) =>
  run('push', running, { profiles: join(FOLDER, 'profiles'), api: 'push', unique: 400, ...more });

async function measure(target) {
  // Elasticsearch takes a comma in a path for a second path.
  const folder = mkdtempSync(join(tmpdir(), `stackwell-bench-${target.name.replace(/\W+/g, '-')}-`));
  log(`${target.name}: starting`);
  const started = performance.now();
  const running = await target.start(folder);
  const readyS = (performance.now() - started) / 1000;
  const result = { name: target.name, readyS, ingest: [], disk: null, queries: [] };
  try {
    await wait(IDLE_S * 1000);
    result.idleMB = running.memoryMB();
    const now = Date.now();
    for (const [c, n] of CONNECTIONS) {
      const also = running.also?.() ?? 0;
      const one = push(running, { c, n, spread: '20m', end: now - 8 * 3_600_000 });
      result.ingest.push({ c, n, ...pick(one, also, running, n) });
      log(`  ${c} connections: ${one.per_s}/s`);
    }
    const before = running.diskBytes();
    let profiles = 0;
    const ranges = [];
    for (const [row, n] of RANGES.entries()) {
      const end = now - 60_000 - (RANGES.length - 1 - row) * 2 * SPREAD_MIN * 60_000;
      push(running, { c: 128, n, spread: `${SPREAD_MIN}m`, end, tag: `range-${n}` });
      ranges.push({ n, from: end - SPREAD_MIN * 60_000, until: end + 1000 });
      profiles += n;
      log(`  ${n} profiles are in`);
    }
    await wait(SETTLE_S * 1000);
    await running.flush?.();
    const total = CONNECTIONS.reduce((sum, [, n]) => sum + n, 0) + profiles;
    result.disk = { profiles: total, bytes: running.diskBytes(), bytesBefore: before };
    for (const { n, from, until } of ranges)
      for (const [kind, name] of Object.entries(target.kinds))
        for (const [scope, q] of [
          ['all', '{}'],
          ['one of 20', '{service_name="svc-3"}'],
        ]) {
          const one = run('query', running, { kind: name, from, until, q, n: TIMES, c: 1 });
          result.queries.push({ kind, profiles: n, scope, clients: 1, ...pickQuery(one) });
          const eight = run('query', running, { kind: name, from, until, q, n: 16, c: 8, warm: 0 });
          result.queries.push({ kind, profiles: n, scope, clients: 8, ...pickQuery(eight) });
        }
    result.peakMB = running.memoryMB('VmHWM');
  } finally {
    await running.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  return result;
}

function pick(one, alsoBefore, running, n) {
  return {
    perSecond: one.per_s,
    errors: one.errors,
    p50Ms: one.p50_ms,
    p99Ms: one.p99_ms,
    cpuMs: one.srv_cpu_ms_per_profile,
    storeCpuMs: running.also === undefined ? 0 : ((running.also() - alsoBefore) * 1000) / n,
    residentMB: one.rss_MB,
  };
}

function pickQuery(one) {
  return {
    firstMs: one.first_ms,
    p50Ms: one.p50_ms,
    maxMs: one.max_ms,
    cpuMs: one.srv_cpu_ms,
    errors: one.errors,
    answerKB: one.resp_KB,
    residentMB: one.rss_MB,
  };
}

const wanted = option('--only')?.split(',');
const results = [];
for (const target of TARGETS) {
  if (wanted !== undefined && !wanted.includes(target.name)) continue;
  const missing = target.missing();
  if (missing !== null) {
    log(`${target.name}: left out: ${missing}`);
    continue;
  }
  results.push(await measure(target));
  // After each: what was measured is not lost when a later one fails.
  write();
}
process.stdout.write(markdown(report()));

function report() {
  return {
    benchmark: 'server',
    date: new Date().toISOString().slice(0, 10),
    machine: { cpus: cpus().length, kernel: release(), arch: arch(), node: process.version },
    wireKB: 46,
    results,
  };
}

function write() {
  const file = option('--json');
  if (file === undefined) return;
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, `${JSON.stringify(report(), null, 2)}\n`);
}
