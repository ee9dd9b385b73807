// SPDX-License-Identifier: Apache-2.0
// What profiling itself costs a service on Fastify: requests a second, CPU for each request, memory; without a
// profiler, with @pyroscope/nodejs, with stackwell/client, with its labels of requests, and with AsyncLocalStorage alone,
// which labels need before Node.js 24. All run at the same time and are asked in turn, each time in another order; ratios
// are of one round, and the median of all rounds is told.
//
//   node bench/client.mjs [--quick] [--json FILE]      after script/build; FILE keeps a run of each version of Node.js
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { cpus, loadavg } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runSeconds } from './agent/measure.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const VARIANTS = ['none', 'AsyncLocalStorage', 'pyroscope', 'stackwell', 'stackwell+labels'];
const quick = process.argv.includes('--quick');
const json = process.argv.includes('--json') ? process.argv[process.argv.indexOf('--json') + 1] : null;
// Many short rounds: what else the machine does changes by the minute, and hits all of a round alike.
const [ROUNDS, ROUND_S, CONNECTIONS] = quick ? [2, 2, 8] : [40, 2, 8];

const median = values => values.toSorted((a, b) => a - b)[values.length >> 1];
const rounded = (value, digits = 3) => Number(value.toFixed(digits));

/** Takes whatever is pushed. */
const sink = http.createServer((request, response) => {
  request.resume().on('end', () => response.end('{}'));
});
await new Promise(resolve => sink.listen(0, '127.0.0.1', resolve));
const sinkUrl = `http://127.0.0.1:${sink.address().port}`;

async function started(variant) {
  const child = spawn(process.execPath, [join(here, 'client/service.mjs'), variant, sinkUrl], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const port = await new Promise((resolve, reject) => {
    child.stdout.once('data', text => resolve(Number(text)));
    child.once('exit', () => reject(new Error(`${variant} ended`)));
  });
  const agent = new http.Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  return { variant, child, port, agent };
}

const ask = ({ port, agent }, at) =>
  new Promise((resolve, reject) => {
    http
      .get({ port, agent, host: '127.0.0.1', path: `/orders/${at % 50}` }, response => {
        if (response.statusCode !== 200) reject(new Error(`HTTP ${response.statusCode}`));
        response.resume().on('end', resolve);
      })
      .on('error', reject);
  });

/** Asks as fast as the service answers, over some connections. */
async function asked(service, seconds) {
  const end = performance.now() + seconds * 1000;
  let requests = 0;
  const connection = async () => {
    while (performance.now() < end) await ask(service, requests++);
  };
  const before = runSeconds(service.child.pid);
  const began = performance.now();
  await Promise.all(Array.from({ length: CONNECTIONS }, connection));
  const took = (performance.now() - began) / 1000;
  const cpu = runSeconds(service.child.pid) - before;
  return { perSecond: requests / took, cpuUs: (cpu / requests) * 1e6 };
}

const status = (pid, name) =>
  Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

/** Milliseconds and MiB that loading a library takes, of processes of their own. */
function loading() {
  const cases = {
    nothing: '',
    'stackwell: import, init': "const c = await import('stackwell/client'); c.init({ serviceName: 'x' });",
    'stackwell: import, init, start':
      "const c = await import('stackwell/client'); c.init({ serviceName: 'x' }); c.start();",
    'pyroscope: import, init':
      "const { default: p } = await import('@pyroscope/nodejs'); p.init({ appName: 'x' });",
    'pyroscope: import, init, start':
      "const { default: p } = await import('@pyroscope/nodejs'); p.init({ appName: 'x' }); p.start();",
  };
  const found = Object.fromEntries(Object.keys(cases).map(name => [name, { ms: [], mib: [] }]));
  for (let i = 0; i < (quick ? 3 : 15); i++)
    for (const [name, code] of Object.entries(cases)) {
      const program = `const t = performance.now(); ${code}
        console.log(JSON.stringify([performance.now() - t, process.memoryUsage.rss() / 2 ** 20])); process.exit(0);`;
      const [ms, mib] = JSON.parse(
        execFileSync(process.execPath, ['--input-type=module', '-e', program], {
          cwd: here,
          encoding: 'utf8',
        }),
      );
      found[name].ms.push(ms);
      found[name].mib.push(mib);
    }
  const base = median(found.nothing.mib);
  return Object.fromEntries(
    Object.entries(found)
      .filter(([name]) => name !== 'nothing')
      .map(([name, { ms, mib }]) => [
        name,
        { ms: rounded(median(ms), 1), mib: rounded(median(mib) - base, 1) },
      ]),
  );
}

// Before anything runs that would have to wait for it.
const loads = loading();
const services = await Promise.all(VARIANTS.map(started));
const rounds = [];
try {
  for (const service of services) await asked(service, quick ? 1 : 5);
  for (let i = 0; i < ROUNDS; i++) {
    const one = {};
    // Another one first each time, and every second time backwards.
    const turn = [...services.slice(i % services.length), ...services.slice(0, i % services.length)];
    for (const service of i % 2 === 0 ? turn : turn.toReversed())
      one[service.variant] = await asked(service, ROUND_S);
    rounds.push(one);
    process.stderr.write(
      `round ${i + 1} of ${ROUNDS}: ${VARIANTS.map(v => `${v} ${one[v].cpuUs.toFixed(0)} us`).join(', ')}\n`,
    );
  }
  const variants = Object.fromEntries(
    services.map(({ variant, child }) => {
      const of = pick => rounds.map(one => pick(one[variant], one.none));
      const result = {
        requestsPerSecond: rounded(median(of(own => own.perSecond)), 0),
        cpuMicrosecondsPerRequest: rounded(median(of(own => own.cpuUs)), 1),
        requestsPerSecondRatio: rounded(median(of((own, none) => own.perSecond / none.perSecond))),
        cpuRatio: rounded(median(of((own, none) => own.cpuUs / none.cpuUs))),
        cpuRatios: of((own, none) => rounded(own.cpuUs / none.cpuUs)),
        rssMiB: rounded(status(child.pid, 'VmRSS'), 1),
        peakRssMiB: rounded(status(child.pid, 'VmHWM'), 1),
      };
      return [variant, result];
    }),
  );
  const result = {
    date: new Date().toISOString(),
    node: process.versions.node,
    cpu: cpus()[0].model,
    cpus: cpus().length,
    load: loadavg().map(one => rounded(one, 1)),
    rounds: ROUNDS,
    roundSeconds: ROUND_S,
    connections: CONNECTIONS,
    variants,
    loading: loads,
  };
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  if (json !== null) {
    const runs = existsSync(json) ? JSON.parse(readFileSync(json, 'utf8')) : {};
    runs[process.versions.node.split('.')[0]] = result;
    writeFileSync(json, `${JSON.stringify(runs, null, 2)}\n`);
  }
} finally {
  for (const { child, agent } of services) {
    agent.destroy();
    child.stdin.end();
    child.kill();
  }
  sink.closeAllConnections();
  sink.close();
}
