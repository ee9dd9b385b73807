// SPDX-License-Identifier: Apache-2.0
// Tables of bench/server.mjs.

const round = (value, digits = 3) =>
  value === undefined ? '' : String(Number(Number(value).toPrecision(digits)));

function table(head, rows) {
  return [head, head.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n');
}

export function markdown({ date, machine, results }) {
  const names = results.map(({ name }) => name);
  const failed = one => (one.errors > 0 ? ` (${one.errors} failed)` : '');
  const connections = [...new Set(results.flatMap(({ ingest }) => ingest.map(({ c }) => c)))];
  const ingest = connections.map(c => [
    c,
    ...results.map(({ ingest }) => {
      const one = ingest.find(row => row.c === c);
      const cpu = one.storeCpuMs > 0 ? `${round(one.cpuMs)} + ${round(one.storeCpuMs)}` : round(one.cpuMs);
      return `${round(one.perSecond)}/s, ${cpu} CPU-ms, ${round(one.p50Ms)} / ${round(one.p99Ms)} ms${failed(one)}`;
    }),
  ]);
  const keys = [
    ...new Map(
      results.flatMap(({ queries }) =>
        queries.map(({ kind, profiles, scope, clients }) => [
          `${kind}${profiles}${scope}${clients}`,
          { kind, profiles, scope, clients },
        ]),
      ),
    ).values(),
  ];
  const queries = keys.map(key => [
    `${key.kind}, ${key.profiles} profiles, ${key.scope}, ${key.clients} client${key.clients > 1 ? 's' : ''}`,
    ...results.map(({ queries }) => {
      const one = queries.find(row => Object.entries(key).every(([name, value]) => row[name] === value));
      if (one === undefined) return '';
      const first = key.clients === 1 ? `${round(one.firstMs)} / ` : '';
      return `${first}${round(one.p50Ms)} ms (${round(one.cpuMs)} CPU-ms)${failed(one)}`;
    }),
  ]);
  return `The server beside Grafana Pyroscope, with both of its storages, by one load tool, on real profiles of 46 kB gzipped.
${date}, ${machine.cpus} CPUs, Linux ${machine.kernel}, ${machine.node}. Load and servers share the CPUs.

${table(['connections', ...names], ingest)}

Profiles a second; CPU of the server (+ Elasticsearch) for each; time to acknowledgement, median / 99 %.

${table(
  ['', ...names],
  [
    ['ready after, s', ...results.map(one => round(one.readyS))],
    ['resident, idle for a minute, MB', ...results.map(one => round(one.idleMB))],
    ['resident, at most, MB', ...results.map(one => round(one.peakMB))],
    ['on disk for each profile, kB', ...results.map(({ disk }) => round(disk.bytes / disk.profiles / 1000))],
  ],
)}

${table(['question', ...names], queries)}

First / again, median. Several clients ask the same at the same time, and each number is of one answer: Stackwell merges once for
all of them. Stackwell and Pyroscope v2 acknowledge what is on disk, v1 what is in memory.
`;
}
