// SPDX-License-Identifier: Apache-2.0
// The profilers that are measured: each starts, says which process it is, stops, and says what it delivered.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { startOtlpSink } from '../peers/otlp-sink.mjs';

const bin = fileURLToPath(new URL('../../bin/stackwell', import.meta.url));
const otel = path.join(
  process.env.PEERS_HOME ?? path.join(homedir(), '.cache/stackwell-peers'),
  'bin/ebpf-profiler',
);

/** Spawns and keeps what it says on standard error; `stop` asks with a signal and waits. */
function run(file, args, signal) {
  // Certificates that this machine adds to those of Node.js are read by every start of it: 50 ms, and nobody's profiler.
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
  const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe'], env });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', text => {
    said = (said + text).slice(-4000);
  });
  const exit = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
  return {
    pid: child.pid,
    check() {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`${file} ended early:\n${said}`);
    },
    async stop() {
      child.kill(signal);
      const late = setTimeout(() => child.kill('SIGKILL'), 15_000);
      await exit;
      clearTimeout(late);
    },
  };
}

/** A server that takes every push: what is measured is the agent, and nothing that stores. */
async function startSink() {
  const received = { requests: 0, bytes: 0 };
  const server = createServer((request, response) => {
    request.on('data', chunk => {
      received.bytes += chunk.length;
    });
    request.on('end', () => {
      received.requests++;
      // An empty message, in the encoding that was asked in.
      const json = (request.headers['content-type'] ?? '').includes('json');
      response.writeHead(200, { 'content-type': json ? 'application/json' : 'application/proto' });
      response.end(json ? '{}' : '');
    });
  });
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    received,
    async close() {
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
    },
  };
}

async function startStackwell(hz, offCpu) {
  const folder = mkdtempSync(path.join(tmpdir(), 'stackwell-bench-'));
  const config = path.join(folder, 'stackwell.yaml');
  writeFileSync(config, `agent:\n  offCpu:\n    enabled: ${offCpu}\n`);
  const sink = await startSink();
  const args = ['agent', '--config', config, '--server', sink.url, '--data', path.join(folder, 'outbox')];
  const running = run(bin, [...args, '--hz', String(hz), '--metrics-listen', '127.0.0.1:0'], 'SIGTERM');
  return {
    ...running,
    delivered: () => ({ ...sink.received }),
    async stop() {
      await running.stop();
      await sink.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function startPerf(hz) {
  const folder = mkdtempSync(path.join(tmpdir(), 'stackwell-bench-'));
  const file = path.join(folder, 'perf.data');
  // The event is named: without a PMU perf would fall back to it anyway, with one it would not be comparable.
  const args = ['record', '-F', String(hz), '-a', '-g', '-e', 'cpu-clock', '-o', file];
  const running = run('perf', args, 'SIGINT');
  return {
    ...running,
    delivered: () => ({ requests: 0, bytes: statSync(file).size }),
    async stop() {
      await running.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function startOtel(hz) {
  const sink = await startOtlpSink();
  const args = ['-collection-agent', sink.address, '-disable-tls', '-samples-per-second', String(hz)];
  // It wants a tracefs, which not every machine has mounted: it gets one of its own.
  const mount =
    'mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing; exec "$@"';
  const wrapped = ['--mount', 'sh', '-c', mount, 'sh', otel, ...args, '-no-kernel-version-check'];
  const running = run('unshare', wrapped, 'SIGINT');
  return {
    ...running,
    delivered: () => ({ ...sink.received }),
    async stop() {
      await running.stop();
      await sink.close();
    },
  };
}

export const PROFILERS = {
  stackwell: {
    label: 'Stackwell, on- and off-CPU, with names',
    start: hz => startStackwell(hz, true),
    missing: () => null,
  },
  'stackwell-cpu': {
    label: 'Stackwell, on-CPU only, with names',
    start: hz => startStackwell(hz, false),
    missing: () => null,
  },
  perf: {
    label: '`perf record -a -g`, no names yet',
    start: startPerf,
    missing: () => (existsSync('/usr/bin/perf') ? null : 'perf is not installed (Debian package linux-perf)'),
  },
  otel: {
    label: 'OpenTelemetry eBPF profiler, native names left to others',
    start: startOtel,
    missing: () => (existsSync(otel) ? null : `${otel} is not there (bench/peers/build-otel.sh makes it)`),
  },
};
