// SPDX-License-Identifier: Apache-2.0
// node bench/scale-model.mjs [--write]: what 100, 10,000 and 1,000,000 hosts cost, reckoned from what bench/scale.mjs measured
// (bench/results/scale.json). Prints Markdown, or puts it into docs/scale.md.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const RESULTS = fileURLToPath(new URL('./results/scale.json', import.meta.url));
const PAGE = fileURLToPath(new URL('../docs/scale.md', import.meta.url));
const MARKS = ['<!-- from bench/scale-model.mjs -->', '<!-- end -->'];

/** As in the fleet that was measured: services on a host, and hosts that a service is on. */
const SERVICES_PER_HOST = 5;
const HOSTS_PER_SERVICE = 125;
const TYPES = 2;
const WINDOW_S = 10;
const DAY_S = 86_400;
/** Days that each kind is kept by default (docs/configuration.md); symbols of a day as long as what names them. */
const KEPT = { 0: 7, 60: 14, 600: 60, 3600: 90, 86400: 400, segments: 400 };
/** Of one shard: what Elasticsearch's own guide advises at most. */
const SHARD_BYTES = 50e9;

const runs = JSON.parse(readFileSync(RESULTS, 'utf8'));
const run = (store, windows) => {
  const found = runs.find(one => one.store === store && one.fleet.windows === windows);
  if (found === undefined) throw new Error(`${RESULTS} has no run of ${store} with ${windows} windows`);
  return found;
};
const STORES = ['embedded', 'Elasticsearch'].map(name => ({
  name,
  /** The first minute of a whole fleet: questions, and what work costs when nothing is known yet. */
  minute: run(name, 6),
  /** An hour of a part of it: what things weigh when they are as full as they get, and what work costs. */
  hour: run(name, 360),
}));

const number = value => {
  const [unit, size] = [
    ['T', 1e12],
    ['G', 1e9],
    ['M', 1e6],
    ['k', 1e3],
    ['', 1],
  ].find(([, size]) => value >= size) ?? ['', 1];
  return `${Number((value / size).toPrecision(value / size >= 100 ? 3 : 2))}${unit === '' ? '' : ` ${unit}`}`;
};
const bytes = value => {
  const text = number(value);
  return /[a-zA-Z]$/.test(text) ? `${text}B` : `${text} B`;
};
const cores = value => (value < 0.01 ? '< 0.01' : String(Number(value.toPrecision(2))));
const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n');

/**
 * Bytes of one of a kind. No day is over in the runs: from an hour to a day a rollup is taken to go on growing as it does
 * from ten minutes to the hour, by the same power of time.
 */
function bytesEach(stored, kind) {
  if (!kind.startsWith('86400')) return stored[kind].bytes / stored[kind].count;
  const hour = bytesEach(stored, kind.replace('86400', '3600'));
  const grown = hour / bytesEach(stored, kind.replace('86400', '600'));
  return hour * grown ** (Math.log(24) / Math.log(6));
}

/** Kinds of things, how many a day, and what they weigh. */
function daily(hosts, { hour }) {
  const series = hosts * SERVICES_PER_HOST * TYPES;
  const services = Math.max(40, (hosts * SERVICES_PER_HOST) / HOSTS_PER_SERVICE);
  const each = kind => bytesEach(hour.stored, kind);
  const profiles = (series * DAY_S) / WINDOW_S;
  const kinds = { 0: { count: profiles, bytes: profiles * each('0') } };
  for (const level of [60, 600, 3600, 86_400]) {
    const buckets = DAY_S / level;
    kinds[level] = { count: series * buckets, bytes: series * buckets * each(String(level)) };
    const wide = `${level}w`;
    kinds[wide] = { count: services * TYPES * buckets, bytes: services * TYPES * buckets * each(wide) };
  }
  const { segments } = hour.stored;
  const perHost = (symbolHours() * hosts) / hour.fleet.agents;
  kinds.segments = { count: segments.count * perHost, bytes: segments.bytes * perHost };
  return { kinds, profiles, services };
}

/** How many first hours of symbols a day has, when each later hour has six times its last ten minutes. */
function symbolHours() {
  const grown = STORES[0].hour.ingest.symbolBytes;
  const [before, last] = grown.slice(-2);
  return 1 + (23 * 6 * (last - before)) / last;
}

const sum = (kinds, field) => Object.values(kinds).reduce((all, one) => all + one[field], 0);

function costs({ ingest, rollups }) {
  const { server, store } = ingest.cpuMsPerProfile;
  const after = rollups.cpuMsPerProfileAfter;
  return { server: server + after.server, store: store + after.store };
}

const HOSTS = [100, 10_000, 1_000_000];

function fleetTable(store) {
  const cpu = costs(store.hour);
  const columns = HOSTS.map(hosts => {
    const { kinds, profiles, services } = daily(hosts, store);
    const perSecond = profiles / DAY_S;
    const kept = Object.entries(kinds).reduce(
      (all, [kind, one]) => all + one.bytes * KEPT[kind.replace('w', '')],
      0,
    );
    const shardBytes = { raw: kinds[0].bytes, minutes: kinds[60].bytes, symbols: kinds.segments.bytes };
    const shards = Object.values(shardBytes).reduce((all, one) => all + Math.ceil(one / SHARD_BYTES), 0);
    return {
      services: number(services),
      perSecond: number(perSecond),
      documents: number(sum(kinds, 'count')),
      bytes: bytes(sum(kinds, 'bytes')),
      raw: bytes(kinds[0].bytes),
      narrow: bytes(kinds[60].bytes + kinds[600].bytes + kinds[3600].bytes + kinds[86400].bytes),
      wide: bytes(kinds['60w'].bytes + kinds['600w'].bytes + kinds['3600w'].bytes + kinds['86400w'].bytes),
      symbols: bytes(kinds.segments.bytes),
      kept: bytes(kept),
      server: cores((perSecond * cpu.server) / 1000),
      store: cores((perSecond * cpu.store) / 1000),
      wire: `${bytes(perSecond * store.hour.ingest.wireBytesPerProfile)}/s`,
      shards: number(shards),
    };
  });
  const row = (name, field) => [name, ...columns.map(column => column[field])];
  const rows = [
    row('services', 'services'),
    row('profiles a second', 'perSecond'),
    row('on the wire', 'wire'),
    row('CPUs of servers, for ingest and rollups', 'server'),
    ...(store.name === 'embedded' ? [] : [row('CPUs of Elasticsearch, for the same', 'store')]),
    row('documents a day', 'documents'),
    row('bytes a day', 'bytes'),
    row('… profiles as they came', 'raw'),
    row('… rollups of each series', 'narrow'),
    row('… wide rollups', 'wide'),
    row('… symbols', 'symbols'),
    row('bytes held, with the default retention', 'kept'),
    ...(store.name === 'embedded' ? [] : [row('shards a day, of 50 GB', 'shards')]),
  ];
  return table(['hosts', ...HOSTS.map(number)], rows);
}

function cpuText(name, { server, store }) {
  return name === 'embedded' ? server.toPrecision(2) : `${server.toPrecision(2)} + ${store.toPrecision(2)}`;
}

function eachTable() {
  const kinds = [
    ['profile of 10 s', '0'],
    ['rollup of a series, 1 min', '60'],
    ['… 10 min', '600'],
    ['… 1 h', '3600'],
    ['… 1 d, reckoned', '86400'],
    ['wide rollup, 1 min', '60w'],
    ['… 10 min', '600w'],
    ['… 1 h', '3600w'],
    ['… 1 d, reckoned', '86400w'],
  ];
  const per = ({ stored }, kind) => bytes(bytesEach(stored, kind));
  return table(
    ['', ...STORES.map(({ name }) => name)],
    [
      ...kinds.map(([name, kind]) => [`${name}, bytes`, ...STORES.map(({ hour }) => per(hour, kind))]),
      [
        'symbols, bytes for each profile of the first hour',
        ...STORES.map(({ hour }) => bytes(hour.stored.segments.bytes / hour.stored[0].count)),
      ],
      [
        'CPU-ms for each profile: ingest and rollups',
        ...STORES.map(({ name, hour }) => cpuText(name, costs(hour))),
      ],
      [
        '… in the first minute, when hardly a stack is known',
        ...STORES.map(({ name, minute }) => cpuText(name, costs(minute))),
      ],
      [
        'profiles a second that were taken, 16 requests at a time',
        ...STORES.map(({ hour }) => String(Math.round(hour.ingest.profilesPerSecond))),
      ],
    ],
  );
}

function questionTable() {
  const names = Object.keys(STORES[0].minute.questions);
  return table(
    ['question', ...STORES.flatMap(({ name }) => [`${name}, first / again`, 'CPU-ms'])],
    names.map(name => [
      name,
      ...STORES.flatMap(({ name: store, minute }) => {
        const { firstMs, medianMs, cpuMs } = minute.questions[name];
        const cpu = Math.round(cpuMs.server);
        return [
          `${Math.round(firstMs)} / ${Math.round(medianMs)} ms`,
          store === 'embedded' ? String(cpu) : `${cpu} + ${Math.round(cpuMs.store)}`,
        ];
      }),
    ]),
  );
}

const { machine } = STORES[0].minute;
const dates = [...new Set(runs.map(one => one.date))].sort().join(' and ');
const page = `Measured ${dates} on ${machine.cpus} CPUs (${machine.arch}, Linux ${machine.kernel}, Node.js ${machine.node}), agents,
servers and Elasticsearch on the same machine:

${eachTable()}

${questionTable()}

A fleet with the embedded store (one machine; past a few hundred hosts the numbers only say why not):

${fleetTable(STORES[0])}

With Elasticsearch (each copy of the data costs the bytes, and most of the cluster's CPU, once more):

${fleetTable(STORES[1])}
`;
if (process.argv.includes('--write')) {
  const text = readFileSync(PAGE, 'utf8');
  const [begin, end] = MARKS.map(mark => text.indexOf(mark));
  if (begin < 0 || end < begin) throw new Error(`${PAGE} lacks ${MARKS.join(' … ')}`);
  writeFileSync(PAGE, `${text.slice(0, begin + MARKS[0].length)}\n${page}${text.slice(end)}`);
} else process.stdout.write(page);
