// SPDX-License-Identifier: Apache-2.0
// node bench/scale.mjs [--agents N] [--windows N] [--elasticsearch] [--json FILE]: what a fleet costs, measured on agents
// that exist on paper (bench/server/fleet.mjs), for docs/scale.md: `--agents 1000 --windows 6` is a minute of a fleet,
// `--agents 40 --windows 360` an hour of a part of it, whose rollups are as full as they get. Then days that are rolled up
// already are put into the store, and ranges of different length are asked for.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { arch, cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LEVELS, PARTITIONS, partitionOf } from '../dist/store/store.js';
import { startElasticsearch } from './server/elasticsearch.mjs';
import { Fleet } from './server/fleet.mjs';
import { cpuSeconds, ready, stop, wait } from './server/processes.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const args = process.argv.slice(2);
const option = (name, otherwise) => (args.includes(name) ? args[args.indexOf(name) + 1] : otherwise);
const AGENTS = Number(option('--agents', 1000));
const WINDOWS = Number(option('--windows', 6));
const SERVICES = 40;
const PER_AGENT = 5;
const AT_ONCE = 16;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const TYPE = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';
const PREFIX = 'scale';

const log = text => process.stderr.write(`${text}\n`);

// Elasticsearch takes a comma in a path for a second path.
const folder = mkdtempSync(join(tmpdir(), 'stackwell-scale-'));
const data = join(folder, 'data');
const node = args.includes('--elasticsearch') ? await startElasticsearch(join(folder, 'node')) : null;
writeFileSync(
  join(folder, 'config.yaml'),
  `server:\n  retention: { maxAge: 40d }\n  elasticsearch: { prefix: ${PREFIX} }\n`,
);

async function start() {
  const listen = '127.0.0.1:4641';
  const child = spawn(
    join(ROOT, 'bin/stackwell'),
    [
      ...['server', '--config', join(folder, 'config.yaml'), '--data', data, '--listen', listen],
      ...(node === null ? [] : ['--elasticsearch', node.url]),
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const url = `http://${listen}`;
  await ready(`${url}/readyz`, child, 60);
  return { child, url };
}

/** Of the server, and of the store when it is a process of its own. */
const cpuMs = ({ child }) => ({
  server: cpuSeconds(child.pid) * 1000,
  store: (node?.cpuSeconds() ?? 0) * 1000,
});
const cpuSince = (server, before, count) => {
  const now = cpuMs(server);
  return { server: (now.server - before.server) / count, store: (now.store - before.store) / count };
};

/** Sums of what begins with these names. Each look starts the event loop's histogram anew. */
async function metrics(server, ...names) {
  const lines = (await (await fetch(`${server.url}/metrics`)).text()).split('\n');
  return names.map(name =>
    lines
      .filter(line => line.startsWith(name))
      .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0),
  );
}

/** Number and bytes on disk of what there is: profiles, rollups by level (`w`: wide), symbols. */
async function kinds() {
  if (node !== null) {
    // As a day's index is once it is no longer written to. What was written over is kept for a replica that lags, for 12 h
    // unless told otherwise; which of it may go is agreed on every 30 s.
    await fetch(`${node.url}/${PREFIX}-*/_settings`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ 'index.soft_deletes.retention_lease.period': '1ms' }),
    });
    await wait(40_000);
    for (const what of ['_flush', '_forcemerge?max_num_segments=1', '_flush'])
      await fetch(`${node.url}/${PREFIX}-*/${what}`, { method: 'POST' });
    const { indices } = await (await fetch(`${node.url}/${PREFIX}-*/_stats/store,docs`)).json();
    const sums = {};
    for (const [name, { primaries }] of Object.entries(indices)) {
      const kind = name
        .slice(PREFIX.length + 1)
        .replace(/-\d{4}\.[\d.]+$/, '')
        .replace('profiles-', '');
      sums[kind] ??= { count: 0, bytes: 0 };
      const one = sums[kind];
      one.count += primaries.docs.count;
      one.bytes += primaries.store.size_in_bytes;
      if (/^(\d|segments)/.test(kind) && primaries.docs.deleted > primaries.docs.count / 100)
        throw new Error(`${name} has ${primaries.docs.deleted} documents that were written over`);
    }
    return sums;
  }
  const { default: Database } = await import('better-sqlite3');
  const db = new Database(join(data, 'stackwell.db'));
  try {
    // As it is at rest: without the log of what was written last.
    db.pragma('wal_checkpoint(TRUNCATE)');
    const sums = {};
    const levels = db
      .prepare(
        `SELECT level, count(*) AS count, sum(length(rows) + length(segments) + length(uid) + length(stats) + 40) AS bytes
         FROM profiles GROUP BY level`,
      )
      .all();
    for (const { level, count, bytes } of levels)
      sums[level < 0 ? `${-level}w` : String(level)] = { count, bytes };
    sums.segments = db
      .prepare('SELECT count(*) AS count, sum(length(bytes) + 120) AS bytes FROM segment_bytes')
      .get();
    // Indexes and free space go with the rows.
    const all = Object.values(sums);
    const file = readdirSync(data).reduce((sum, name) => sum + statSync(join(data, name)).size, 0);
    const more =
      (file - all.reduce((sum, { bytes }) => sum + bytes, 0)) /
      all.reduce((sum, { count }) => sum + count, 0);
    for (const one of all) one.bytes += more * one.count;
    return sums;
  } finally {
    db.close();
  }
}

/** Bytes of all symbols so far; of the embedded store only, whose segments are the same. */
async function symbolBytes() {
  if (node !== null) return 0;
  const { default: Database } = await import('better-sqlite3');
  const db = new Database(join(data, 'stackwell.db'), { readonly: true });
  try {
    return db.prepare('SELECT total(length(bytes)) FROM segment_bytes').pluck().get();
  } finally {
    db.close();
  }
}

const ms = async work => {
  const started = performance.now();
  const result = await work();
  return [result, performance.now() - started];
};

async function openStore() {
  if (node === null) {
    const { openEmbeddedStore } = await import('../dist/store/embedded/embedded-store.js');
    return openEmbeddedStore(data);
  }
  const { openElasticsearchStore } = await import('../dist/store/elasticsearch/elasticsearch-store.js');
  const none = { username: '', password: '', apiKey: '', caFile: '' };
  return openElasticsearchStore({
    ...none,
    urls: [node.url],
    timeout: 30_000,
    prefix: PREFIX,
    replicas: '0',
    shards: 1,
  });
}

/** Every window of every agent, `AT_ONCE` requests at a time. */
async function ingest(server, fleet, start) {
  let agent = 0;
  let window = 0;
  const sent = { requests: 0, profiles: 0, wireBytes: 0, latencies: [], symbols: [] };
  const sixth = Math.ceil(WINDOWS / 6);
  const client = async () => {
    while (window < WINDOWS) {
      const [own, time] = [agent, start + window * 10_000];
      agent++;
      if (agent === fleet.agents) {
        agent = 0;
        window++;
        if (window % sixth === 0) sent.symbols.push(await symbolBytes());
      }
      const { body, profiles } = await fleet.request(own, time);
      const [answer, took] = await ms(() =>
        fetch(`${server.url}/push.v1.PusherService/Push`, {
          method: 'POST',
          headers: { 'content-type': 'application/proto', 'content-encoding': 'gzip' },
          body,
        }),
      );
      if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`);
      await answer.arrayBuffer();
      sent.requests++;
      sent.profiles += profiles;
      sent.wireBytes += body.length;
      sent.latencies.push(took);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, client));
  sent.latencies.sort((a, b) => a - b);
  return sent;
}

/** The rollups of one hour again, at other hours, with the totals and symbols that they have. */
async function repeatHours(store, from, hours, { wide, service, limit }) {
  const matchers = service === undefined ? [] : [{ name: 'service_name', op: '=', value: service }];
  const records = [];
  for await (const batch of store.selectProfiles({
    tenant: '',
    matchers,
    from,
    until: from + HOUR,
    level: 3600,
    wide,
    withFacets: true,
  }))
    records.push(...batch.slice(0, limit - records.length));
  let made = 0;
  for (const hour of hours) {
    const start = from - hour * HOUR;
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const own = records.filter(({ labels }) => partitionOf('', labels.service_name) === partition);
      if (own.length === 0) continue;
      const bucket = { level: 3600, start, partition };
      // A bucket is finished that was stale: a profile makes it so, and is forgotten by its retention.
      const seed = {
        ...own[0],
        id: `seed-${start}-${partition}-${wide}`,
        level: 0,
        wide: false,
        start,
        total: 0n,
      };
      seed.rows = EMPTY_ROWS;
      seed.segments = [];
      await store.append({ segments: [], profiles: [seed] });
      const profiles = own.map(record => ({
        ...record,
        id: `${record.id}-${hour}-${wide}`.slice(-64),
        start,
      }));
      const ticket = await store.rollups.begin(bucket);
      if (!(await store.rollups.finish(ticket, { segments: [], profiles }))) throw new Error('not finished');
      made += profiles.length;
    }
    // Finer levels of these hours have nothing: they are as whole as can be.
    for (const level of LEVELS.filter(one => one < 3600))
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const ticket = await store.rollups.begin({ level, start, partition });
        await store.rollups.finish(ticket, { segments: [], profiles: [] });
      }
  }
  return { made, records: records.length };
}

let EMPTY_ROWS;

async function ask(server, parameters, times = 5) {
  const query = new URLSearchParams({ type: TYPE, ...parameters });
  const runs = [];
  let body;
  const before = cpuMs(server);
  for (let i = 0; i <= times; i++) {
    const [answer, took] = await ms(async () => {
      const answer = await fetch(`${server.url}/api/v1/flamegraph?${query}`);
      return { status: answer.status, text: await answer.text() };
    });
    if (answer.status !== 200) throw new Error(answer.text);
    body = JSON.parse(answer.text);
    runs.push(took);
  }
  const again = runs.slice(1).sort((a, b) => a - b);
  return {
    firstMs: runs[0],
    medianMs: again[again.length >> 1],
    cpuMs: cpuSince(server, before, times + 1),
    profiles: body.profiles,
    nodes: body.depth.length,
    limited: body.limited,
    warnings: body.warnings,
  };
}

const result = { benchmark: 'scale', date: new Date().toISOString().slice(0, 10) };
result.machine = { cpus: cpus().length, kernel: release(), arch: arch(), node: process.version };
result.store = node === null ? 'embedded' : 'Elasticsearch';
result.fleet = { agents: AGENTS, services: SERVICES, perAgent: PER_AGENT, windows: WINDOWS, hz: 19 };
let server;
try {
  log('making the fleet');
  const fleet = await Fleet.make({ agents: AGENTS, services: SERVICES, perAgent: PER_AGENT });
  server = await start();
  // Within one hour that is over.
  const hour = Math.floor(Date.now() / HOUR) * HOUR - 2 * HOUR;
  const first = hour + (WINDOWS * 10_000 <= 50 * MINUTE ? 10 * MINUTE : 0);
  log(`${AGENTS} agents, ${WINDOWS} windows`);
  const cpuBefore = cpuMs(server);
  const [sent, took] = await ms(() => ingest(server, fleet, first));
  const [rolledWhile, ...lag] = await metrics(
    server,
    'stackwell_rollup_seconds_sum',
    ...['p50', 'p99', 'max'].map(name => `nodejs_eventloop_lag_${name}_seconds`),
  );
  const { profiles } = sent;
  result.ingest = {
    requests: sent.requests,
    profiles,
    profilesPerSecond: (profiles / took) * 1000,
    cpuMsPerProfile: cpuSince(server, cpuBefore, profiles),
    wireBytesPerProfile: sent.wireBytes / profiles,
    acknowledgedMs: {
      p50: sent.latencies[sent.latencies.length >> 1],
      p99: sent.latencies[Math.floor(sent.latencies.length * 0.99)],
    },
    // After each sixth of the windows.
    symbolBytes: sent.symbols,
    rollupSecondsMeanwhile: rolledWhile,
    // Its clock ticks every 10 ms: that much is no lag.
    eventLoopMs: { p50: lag[0] * 1000, p99: lag[1] * 1000, max: lag[2] * 1000 },
  };
  log(JSON.stringify(result.ingest));
  log('rolling up');
  const cpuRoll = cpuMs(server);
  for (let quiet = 0; quiet < 3; ) {
    await wait(10_000);
    const [behind] = await metrics(server, 'stackwell_rollup_lag_seconds');
    quiet = behind === 0 ? quiet + 1 : 0;
  }
  result.rollups = { cpuMsPerProfileAfter: cpuSince(server, cpuRoll, profiles) };
  result.stored = await kinds();
  result.hour = await ask(server, {
    from: String(hour),
    until: String(hour + HOUR),
    query: '{service_name=~".+"}',
  });
  await stop(server.child);
  server = null;

  log('30 days of one service, 24 hours of the fleet');
  const store = await openStore();
  const { sumProfiles } = await import('#native/profile');
  EMPTY_ROWS = (await sumProfiles([])).rows;
  const oneHours = Array.from({ length: 30 * 24 }, (_, at) => at + 1);
  result.month = await repeatHours(store, hour, oneHours.slice(24), {
    wide: true,
    service: 'service-0',
    limit: 100,
  });
  const fleetHours = oneHours.slice(0, 23);
  result.day = {
    wide: await repeatHours(store, hour, fleetHours, { wide: true, limit: 10_000 }),
  };
  await store.close();
  server = await start();
  // Days of those hours are rolled up now.
  for (let before = -1, made = 0; before !== made; ) {
    before = made;
    await wait(15_000);
    [made] = await metrics(server, 'stackwell_rollups_total');
  }
  const end = hour + HOUR;
  const one = '{service_name="service-0"}';
  result.questions = {
    'one service, an hour that is not a full one': await ask(server, {
      from: String(hour - 7.5 * MINUTE),
      until: String(end - 7.5 * MINUTE),
      query: one,
    }),
    'one service, 1 h': await ask(server, { from: String(hour), until: String(end), query: one }),
    'one service, 30 d': await ask(server, {
      from: String(end - 30 * 24 * HOUR),
      until: String(end),
      query: one,
    }),
    'all services, 1 h': await ask(server, {
      from: String(hour),
      until: String(end),
      query: '{service_name=~".+"}',
    }),
    'all services, 24 h': await ask(server, {
      from: String(end - 24 * HOUR),
      until: String(end),
      query: '{service_name=~".+"}',
    }),
  };
  await stop(server.child);
  server = null;
} finally {
  if (server) await stop(server.child);
  await node?.stop();
  rmSync(folder, { recursive: true, force: true });
}
// One file for the runs of all stores and fleets; one that was there is replaced.
const file = option('--json');
if (file !== undefined) {
  const same = run =>
    run.store === result.store && JSON.stringify(run.fleet) === JSON.stringify(result.fleet);
  const others = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).filter(run => !same(run)) : [];
  writeFileSync(file, `${JSON.stringify([...others, result], null, 2)}\n`);
}
console.log(JSON.stringify(result, null, 2));
