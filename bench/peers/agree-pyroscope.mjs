#!/usr/bin/env node
import { randomUUID } from 'node:crypto';
// SPDX-License-Identifier: Apache-2.0
// agree-pyroscope.mjs [STORAGE]: the same profiles to Stackwell and to Pyroscope (v2, or v1), and the same questions.
// Prints what differs; ends with 1 when an answer has other numbers.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decode, encode } from '../../native/profile/index.js';
import { wait } from '../server/processes.mjs';
import { TARGETS } from '../server/targets.mjs';

const PROFILES = fileURLToPath(new URL('../server/profiles', import.meta.url));
const CPU = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';
const SAMPLES = 'process_cpu:samples:count:cpu:nanoseconds';
const NOW = Math.floor(Date.now() / 60_000) * 60_000;
const FIRST = NOW - 20 * 60_000;

async function ask(url, method, body) {
  const answer = await fetch(`${url}/querier.v1.QuerierService/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  try {
    return { status: answer.status, ...JSON.parse(text) };
  } catch {
    return { status: answer.status, text };
  }
}

async function get(url, path, parameters) {
  const answer = await fetch(`${url}${path}?${new URLSearchParams(parameters)}`);
  const text = await answer.text();
  try {
    return { status: answer.status, body: JSON.parse(text) };
  } catch {
    return { status: answer.status, body: text };
  }
}

/** Path → values, of levels of 4 or 7 numbers a node; nodes of one path are summed. */
function paths({ names = [], levels = [] }, width) {
  const sides = (width - 1) / 3;
  const found = {};
  let above = null;
  for (const level of levels) {
    const values = (Array.isArray(level) ? level : (level.values ?? [])).map(Number);
    const here = [];
    const at = new Array(sides).fill(0);
    let parent = 0;
    for (let row = 0; row < values.length; row += width) {
      const from = at.map((end, side) => end + values[row + 3 * side]);
      const until = from.map((start, side) => start + values[row + 3 * side + 1]);
      until.forEach((end, side) => {
        at[side] = end;
      });
      const inside = one =>
        one.from.every((start, side) => from[side] >= start && until[side] <= one.until[side]);
      while (above !== null && parent < above.length - 1 && !inside(above[parent])) parent++;
      const name = names[values[row + width - 1]];
      const path = above === null ? name : `${above[parent].path};${name}`;
      here.push({ path, from, until });
      const old = found[path] ?? new Array(2 * sides).fill(0);
      found[path] = old.map((value, i) => value + values[row + 3 * Math.floor(i / 2) + 1 + (i % 2)]);
    }
    above = here;
  }
  return found;
}

function stacks({ sample = [], location = [], function: functions = [], stringTable = [] }) {
  const byId = new Map(functions.map(f => [f.id, stringTable[Number(f.name ?? 0)]]));
  const names = new Map(
    location.map(l => [l.id, (l.line ?? []).map(line => byId.get(line.functionId)).join(';')]),
  );
  const sums = {};
  for (const { locationId = [], value } of sample) {
    const key = locationId.map(id => names.get(id)).join(';');
    sums[key] = (sums[key] ?? 0) + Number(value[0]);
  }
  return sums;
}

/**
 * Without what Pyroscope changes when it takes Go profiles in: type parameters become `[...]`, and stacks that Go has cut
 * at 64 frames are continued by guessing.
 */
function withoutRepairs(columns) {
  const strings = columns.strings.map(text => text.replace(/\[go\.shape.*\]/, '[...]'));
  const { samples, sampleTypes } = columns;
  const width = sampleTypes.length;
  const kept = Array.from({ length: samples.locationOffset.length - 1 }, (_, row) => row).filter(
    row => samples.locationOffset[row + 1] - samples.locationOffset[row] < 60,
  );
  const locationOffset = [0];
  const location = [];
  const values = [];
  for (const row of kept) {
    location.push(...samples.location.subarray(samples.locationOffset[row], samples.locationOffset[row + 1]));
    locationOffset.push(location.length);
    values.push(...samples.values.subarray(row * width, (row + 1) * width));
  }
  return {
    ...columns,
    strings,
    samples: {
      locationOffset: Uint32Array.from(locationOffset),
      location: Uint32Array.from(location),
      values: BigInt64Array.from(values),
      labelOffset: new Uint32Array(kept.length + 1),
    },
    labels: {
      key: new Uint32Array(),
      str: new Uint32Array(),
      num: new BigInt64Array(),
      numUnit: new Uint32Array(),
    },
  };
}

let different = 0;
function compare(what, own, theirs) {
  const sorted = value =>
    JSON.stringify(value, (_, one) =>
      one && typeof one === 'object' && !Array.isArray(one)
        ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
        : one,
    );
  if (sorted(own) === sorted(theirs)) {
    console.log(`same       ${what}`);
    return;
  }
  different++;
  console.log(`DIFFERENT  ${what}`);
  const [a, b] = [own, theirs].map(one => (one && typeof one === 'object' ? one : { value: one }));
  let shown = 0;
  for (const key of new Set([...Object.keys(a ?? {}), ...Object.keys(b ?? {})]))
    if (sorted(a[key]) !== sorted(b[key]) && shown++ < 6)
      console.log(
        `   ${key.slice(-120)}: ${sorted(a[key])?.slice(0, 300)} | ${sorted(b[key])?.slice(0, 300)}`,
      );
  if (shown > 6) console.log(`   and ${shown - 6} more`);
}

const storage = process.argv[2] ?? 'v2';
const targets = [
  TARGETS.find(({ name }) => name === 'stackwell'),
  TARGETS.find(({ name }) => name === `pyroscope ${storage}`),
];
for (const target of targets) {
  const reason = target.missing();
  if (reason !== null) throw new Error(reason);
}
const folder = mkdtempSync(join(tmpdir(), 'stackwell-agree-'));
const running = [];
try {
  for (const target of targets) {
    const own = mkdtempSync(join(folder, 'peer-'));
    running.push(await target.start(own));
  }
  const urls = running.map(({ url }) => url);

  const files = readdirSync(PROFILES).filter(name => name.endsWith('.pb.gz'));
  let sent = 0;
  for (const [row, file] of files.entries()) {
    const columns = withoutRepairs(await decode(readFileSync(join(PROFILES, file))));
    for (let window = 0; window < 6; window++) {
      const time = FIRST + window * 150_000 + row * 777;
      const rawProfile = Buffer.from(
        await encode({ ...columns, timeNanos: BigInt(time) * 1_000_000n, durationNanos: 10_000_000_000n }),
      ).toString('base64');
      const labels = {
        service_name: `svc-${row % 3}`,
        __name__: 'process_cpu',
        pod: `pod-${row}`,
        deploy: `v${window % 2}`,
      };
      const body = JSON.stringify({
        series: [
          {
            labels: Object.entries(labels).map(([name, value]) => ({ name, value })),
            samples: [{ rawProfile, ID: randomUUID() }],
          },
        ],
      });
      for (const url of urls) {
        const answer = await fetch(`${url}/push.v1.PusherService/Push`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
        });
        if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
      }
      sent++;
    }
  }
  console.log(`${sent} profiles sent to each`);
  await wait(3000);

  const range = { start: String(FIRST - 60_000), end: String(NOW + 60_000) };
  const both = async (method, body, pick) =>
    Promise.all(urls.map(async url => pick(await ask(url, method, body))));
  const check = async (what, method, body, pick) => compare(what, ...(await both(method, body, pick)));

  await check('ProfileTypes', 'ProfileTypes', range, ({ profileTypes }) => profileTypes);
  await check('ProfileTypes without a range', 'ProfileTypes', {}, ({ profileTypes }) => profileTypes);
  await check('LabelNames', 'LabelNames', range, ({ names }) => names);
  await check(
    'LabelNames of a type',
    'LabelNames',
    { ...range, matchers: [`{__profile_type__="${CPU}"}`] },
    ({ names }) => names,
  );
  for (const name of [
    'service_name',
    '__profile_type__',
    'pod',
    '__type__',
    '__service_name__',
    '__name__',
    '__unit__',
    '__period_type__',
    'none',
  ])
    await check(`LabelValues ${name}`, 'LabelValues', { ...range, name }, ({ names }) => names);
  await check(
    'LabelValues with matchers',
    'LabelValues',
    { ...range, name: 'pod', matchers: ['{service_name=~"svc-[01]", deploy!="v0"}'] },
    ({ names }) => names,
  );
  const sets = ({ labelsSet = [] }) =>
    labelsSet
      .map(({ labels = [] }) =>
        labels
          .map(({ name, value }) => `${name}=${value}`)
          .sort()
          .join(),
      )
      .sort();
  await check(
    'Series of two labels',
    'Series',
    { ...range, labelNames: ['service_name', '__profile_type__'] },
    sets,
  );
  await check('Series of types', 'Series', { ...range, labelNames: ['__profile_type__'] }, sets);
  await check(
    'Series of one type and service',
    'Series',
    {
      ...range,
      matchers: [`{service_name="svc-0", __profile_type__="${CPU}"}`],
      labelNames: ['pod', 'deploy', '__name__'],
    },
    sets,
  );
  await check('Series of all labels', 'Series', { ...range, matchers: ['{pod="pod-1", deploy="v0"}'] }, sets);

  const merge = (labelSelector, more = {}) => ({
    profileTypeID: CPU,
    labelSelector,
    ...range,
    maxNodes: '65536',
    ...more,
  });
  const flame = ({ flamegraph }) => ({
    ...paths(flamegraph ?? {}, 4),
    '(total)': flamegraph?.total,
    '(names[0])': flamegraph?.names?.[0],
    '(root)': flamegraph?.levels?.[0]?.values,
  });
  for (const selector of [
    '{}',
    '{service_name="svc-1"}',
    '{service_name=~"svc-[02]", deploy="v1"}',
    '{service_name="none"}',
  ])
    await check(`SelectMergeStacktraces ${selector}`, 'SelectMergeStacktraces', merge(selector), flame);
  await check('… of samples', 'SelectMergeStacktraces', { ...merge('{}'), profileTypeID: SAMPLES }, flame);
  const sums = ({ flamegraph }) => [flamegraph?.total, flamegraph?.maxSelf];
  await check('… total and greatest self', 'SelectMergeStacktraces', merge('{}'), sums);
  await check(
    '… below a call site',
    'SelectMergeStacktraces',
    merge('{}', { stackTraceSelector: { callSite: [{ name: 'runtime.goexit' }] } }),
    flame,
  );
  await check(
    '… below testing.tRunner',
    'SelectMergeStacktraces',
    merge('{}', {
      stackTraceSelector: { callSite: [{ name: 'testing.(*B).launch' }, { name: 'testing.(*B).runN' }] },
    }),
    flame,
  );
  await check(
    '… total with few nodes',
    'SelectMergeStacktraces',
    merge('{}', { maxNodes: '100' }),
    ({ flamegraph }) => flamegraph?.total,
  );
  await check(
    '… at the ends of a range',
    'SelectMergeStacktraces',
    { ...merge('{}'), start: String(FIRST), end: String(FIRST + 150_000) },
    sums,
  );
  await check(
    '… just inside',
    'SelectMergeStacktraces',
    { ...merge('{}'), start: String(FIRST + 1), end: String(FIRST + 149_999) },
    sums,
  );
  await check(
    'SelectMergeSpanProfile',
    'SelectMergeSpanProfile',
    { ...merge('{}'), spanSelector: ['9a517183f26a089d'] },
    flame,
  );
  await check('SelectMergeProfile', 'SelectMergeProfile', merge('{service_name="svc-2"}'), stacks);
  await check(
    'SelectMergeProfile, types',
    'SelectMergeProfile',
    merge('{service_name="svc-2"}'),
    ({ sampleType, periodType, stringTable = [], period }) =>
      [...(sampleType ?? []), periodType ?? {}]
        .map(({ type, unit }) => `${stringTable[type ?? 0]}:${stringTable[unit ?? 0]}`)
        .concat(String(period)),
  );
  await check(
    'PPROF',
    'SelectMergeStacktraces',
    merge('{service_name="svc-2"}', { format: 'PROFILE_FORMAT_PPROF' }),
    ({ pprof }) => stacks(pprof?.profile ?? {}),
  );
  await check(
    'PPROF below a call site',
    'SelectMergeStacktraces',
    merge('{}', {
      format: 'PROFILE_FORMAT_PPROF',
      stackTraceSelector: { callSite: [{ name: 'runtime.goexit' }] },
    }),
    ({ pprof }) => stacks(pprof?.profile ?? {}),
  );
  await check(
    'PPROF for PGO',
    'SelectMergeStacktraces',
    merge('{service_name="svc-0"}', {
      format: 'PROFILE_FORMAT_PPROF',
      stackTraceSelector: { goPgo: { keepLocations: 5, aggregateCallees: true } },
    }),
    ({ pprof }) => stacks(pprof?.profile ?? {}),
  );
  await check(
    'PPROF for PGO, samples',
    'SelectMergeStacktraces',
    merge('{service_name="svc-0"}', {
      format: 'PROFILE_FORMAT_PPROF',
      stackTraceSelector: { goPgo: { keepLocations: 5, aggregateCallees: true } },
    }),
    ({ pprof }) => pprof?.profile?.sample?.length,
  );

  const side = (labelSelector, more = {}) => merge(labelSelector, { maxNodes: '65536', ...more });
  const twoPaths = ({ flamegraph }) => ({
    ...paths(flamegraph ?? {}, 7),
    '(ticks)': [flamegraph?.total, flamegraph?.leftTicks, flamegraph?.rightTicks, flamegraph?.maxSelf],
    '(root)': flamegraph?.levels?.[0]?.values,
  });
  await check(
    'Diff of deploys',
    'Diff',
    { left: side('{deploy="v0"}'), right: side('{deploy="v1"}') },
    twoPaths,
  );
  await check(
    'Diff of services',
    'Diff',
    { left: side('{service_name="svc-0"}'), right: side('{service_name="svc-1"}') },
    twoPaths,
  );
  await check(
    'Diff with nothing',
    'Diff',
    { left: side('{service_name="svc-0"}'), right: side('{service_name="none"}') },
    twoPaths,
  );

  const series = ({ series = [] }) =>
    Object.fromEntries(
      series.map(({ labels = [], points = [] }) => [
        labels
          .map(({ name, value }) => `${name}=${value}`)
          .sort()
          .join() || '-',
        points.map(({ timestamp, value }) => [timestamp, value]),
      ]),
    );
  for (const [start, end, step] of [
    [FIRST - 60_000, NOW, 15],
    [FIRST - 61_234, NOW + 17, 60],
    [FIRST, NOW, 7.5],
    [FIRST + 1, NOW - 1, 150],
    [FIRST, FIRST + 500_000, 300],
  ])
    for (const more of [
      {},
      { groupBy: ['service_name'] },
      { groupBy: ['deploy', 'service_name'], aggregation: 'TIME_SERIES_AGGREGATION_TYPE_AVERAGE' },
      { groupBy: ['pod'], limit: '2' },
    ])
      await check(
        `SelectSeries from ${start - FIRST} to ${end - NOW} by ${step} s ${JSON.stringify(more)}`,
        'SelectSeries',
        { profileTypeID: CPU, labelSelector: '{}', start: String(start), end: String(end), step, ...more },
        series,
      );
  await check(
    'SelectSeries, order',
    'SelectSeries',
    { profileTypeID: CPU, labelSelector: '{}', ...range, step: 60, groupBy: ['pod'] },
    ({ series = [] }) => series.map(({ labels }) => labels[0].value),
  );
  await check(
    'SelectSeries, exemplars',
    'SelectSeries',
    {
      profileTypeID: CPU,
      labelSelector: '{}',
      ...range,
      step: 60,
      groupBy: ['pod'],
      exemplarType: 'EXEMPLAR_TYPE_INDIVIDUAL',
    },
    ({ series = [] }) =>
      series.map(({ points }) =>
        points.map(({ exemplars = [] }) => exemplars.map(({ timestamp, value }) => [timestamp, value])),
      ),
  );
  const heat = ({ series = [] }) =>
    series
      .map(({ labels = [], slots = [] }) => [
        labels,
        slots.map(({ timestamp, yMin, counts, exemplars = [] }) => [
          timestamp,
          yMin,
          counts,
          exemplars.length,
        ]),
      ])
      .sort();
  for (const groupBy of [[], ['service_name']])
    await check(
      `SelectHeatmap by ${groupBy}`,
      'SelectHeatmap',
      {
        profileTypeID: CPU,
        labelSelector: '{}',
        ...range,
        step: 60,
        groupBy,
        queryType: 'HEATMAP_QUERY_TYPE_INDIVIDUAL',
        exemplarType: 'EXEMPLAR_TYPE_INDIVIDUAL',
      },
      heat,
    );
  await check(
    'GetProfileStats',
    'GetProfileStats',
    {},
    ({ status, dataIngested, oldestProfileTime, newestProfileTime }) => ({
      status,
      dataIngested,
      oldestProfileTime,
      newestProfileTime,
    }),
  );
  await check('AnalyzeQuery', 'AnalyzeQuery', { ...range, query: '{}' }, answer => answer);

  const status = ({ status, code }) => [status, code];
  for (const [what, method, body] of [
    ['no range', 'SelectMergeStacktraces', { profileTypeID: CPU, labelSelector: '{}' }],
    ['no end', 'LabelNames', { start: range.start }],
    ['no start', 'LabelNames', { end: range.end }],
    ['end before start', 'SelectMergeStacktraces', { ...merge('{}'), start: range.end, end: range.start }],
    ['bad type', 'SelectMergeStacktraces', { ...merge('{}'), profileTypeID: 'x' }],
    ['bad selector', 'SelectMergeStacktraces', merge('{a=')],
    ['empty selector', 'SelectMergeStacktraces', merge('')],
    ['too many nodes', 'SelectMergeStacktraces', merge('{}', { maxNodes: '100000000' })],
    ['negative nodes', 'SelectMergeStacktraces', merge('{}', { maxNodes: '-1' })],
    ['bad span', 'SelectMergeStacktraces', merge('{}', { spanSelector: ['x'] })],
    ['bad profile id', 'SelectMergeStacktraces', merge('{}', { profileIdSelector: ['x'] })],
    ['no step', 'SelectSeries', { profileTypeID: CPU, labelSelector: '{}', ...range }],
    ['no label', 'LabelValues', range],
    ['asynchronous', 'SelectMergeStacktraces', merge('{}', { async: { type: 'ASYNC_QUERY_TYPE_FORCE' } })],
    ['diff of two types', 'Diff', { left: side('{}'), right: { ...side('{}'), profileTypeID: SAMPLES } }],
  ])
    await check(`refused: ${what}`, method, body, status);

  const times = { from: String(FIRST - 60_000), until: String(NOW) };
  const rendered = async (path, parameters) =>
    compare(
      `${path} ${JSON.stringify(parameters).slice(0, 90)}`,
      ...(await Promise.all(
        urls.map(async url => {
          const { status, body } = await get(url, path, parameters);
          if (typeof body !== 'object' || body.flamebearer === undefined)
            return { status, ...(status === 200 ? { body } : {}) };
          const { flamebearer, ...rest } = body;
          return {
            status,
            ...rest,
            ...paths(flamebearer, rest.metadata.format === 'double' ? 7 : 4),
            '(ticks)': [flamebearer.numTicks, flamebearer.maxSelf],
          };
        }),
      )),
    );
  await rendered('/pyroscope/render', {
    query: `${CPU}{service_name="svc-0"}`,
    ...times,
    'max-nodes': '100000',
  });
  await rendered('/pyroscope/render', {
    query: `${CPU}{}`,
    ...times,
    maxNodes: '65536',
    groupBy: 'service_name',
  });
  await rendered('/pyroscope/render', {
    query: `${SAMPLES}{}`,
    ...times,
    maxNodes: '65536',
    groupBy: 'pod',
    aggregation: 'avg',
  });
  await rendered('/pyroscope/render', { query: `{service_name="svc-0"}`, ...times });
  await rendered('/pyroscope/render-diff', {
    leftQuery: `${CPU}{deploy="v0"}`,
    leftFrom: times.from,
    leftUntil: times.until,
    rightQuery: `${CPU}{deploy="v1"}`,
    rightFrom: times.from,
    rightUntil: times.until,
    'max-nodes': '100000',
  });
  await rendered('/pyroscope/render-diff', { leftQuery: `${CPU}{}`, rightQuery: `${SAMPLES}{}` });
  await rendered('/pyroscope/label-values', { label: '__name__' });
  await rendered('/pyroscope/label-values', {});
  await rendered('/ready', {});
  console.log(different === 0 ? 'nothing differs' : `${different} answers differ`);
} finally {
  for (const one of running) await one.stop();
  rmSync(folder, { recursive: true });
}
process.exitCode = different === 0 ? 0 : 1;
