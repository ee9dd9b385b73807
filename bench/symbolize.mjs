// SPDX-License-Identifier: Apache-2.0
// 20,000 random addresses with inlined calls and lines, in a real program with debug information, beside
// llvm-symbolizer in the same run. Prints JSON.
//
//   node bench/symbolize.mjs [FILE]      after script/build; FILE defaults to the symbolizer, built with debug information
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';

const checkout = fileURLToPath(new URL('..', import.meta.url));
const compiled = join(checkout, 'dist/agent/profiling/symbolizer/symbolizer.js');
if (!existsSync(compiled)) {
  console.error('dist/ is not there: run script/build first');
  process.exit(1);
}
const { Symbolizer } = await import(compiled);

const ADDRESSES = 20_000;
const RUNS = 3;

function buildSubject() {
  const target = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'stackwell/cargo-bench');
  execFileSync(
    'cargo',
    [
      ...[
        'build',
        '--release',
        '--locked',
        '--quiet',
        '--manifest-path',
        join(checkout, 'symbolizers/Cargo.toml'),
      ],
      ...['--config', 'profile.release.debug=2', '--config', 'profile.release.strip=false'],
    ],
    { env: { ...process.env, CARGO_TARGET_DIR: target }, stdio: 'inherit' },
  );
  return join(target, 'release/stackwell-symbolizer');
}

const file = process.argv[2] ?? buildSubject();
const elf = execFileSync('readelf', ['-lsW', file], { encoding: 'utf8', maxBuffer: 1 << 30 });
const segments = [...elf.matchAll(/LOAD\s+(0x\w+) (0x\w+) 0x\w+ (0x\w+)/g)].map(match =>
  match.slice(1, 4).map(Number),
);
const functions = [...elf.matchAll(/^\s*\d+: ([0-9a-f]+)\s+(\d+) FUNC/gm)]
  .map(match => [Number.parseInt(match[1], 16), Number(match[2])])
  .filter(([, size]) => size > 0);
let state = 1;
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
};
const addresses = Array.from({ length: ADDRESSES }, () => {
  const [start, size] = functions[Math.floor(random() * functions.length)];
  return start + Math.floor(random() * size);
});
const offsets = addresses.map(address => {
  const [offset, start] = segments.find(([, start, size]) => address >= start && address < start + size);
  return BigInt(address - start + offset);
});

const rows = offsets.length;
const input = {
  strings: [''],
  locations: {
    space: new Uint8Array(rows).fill(1),
    mapping: new Int32Array(rows),
    address: BigUint64Array.from(offsets),
    exact: new Uint8Array(rows).fill(1),
    process: new Int32Array(rows).fill(-1),
    extra: new BigUint64Array(rows),
  },
  mappings: {
    path: [file],
    buildId: [''],
    pid: Uint32Array.of(4_194_305),
    start: new BigUint64Array(1),
    end: new BigUint64Array(1),
    offset: new BigUint64Array(1),
    device: new BigUint64Array(1),
    inode: BigUint64Array.of(statSync(file, { bigint: true }).ino),
  },
  processes: {
    pid: new Uint32Array(0),
    parent: new Uint32Array(0),
    startNs: new BigUint64Array(0),
    cgroup: new BigUint64Array(0),
    comm: new Uint32Array(0),
    executable: new Uint32Array(0),
    executableMapping: new Int32Array(0),
    alive: new Uint8Array(0),
  },
};

const median = numbers => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
const round = number => Math.round(number * 10) / 10;

async function ours() {
  const start = performance.now();
  const symbolizer = await Symbolizer.start({ coldTimeoutMs: 120_000, timeoutMs: 120_000, batchMs: 600_000 });
  const ready = performance.now();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const symbols = await symbolizer.symbolize(input);
  const cold = performance.now();
  delay.disable();
  await symbolizer.symbolize(input);
  const cached = performance.now();
  const { pid, residentBytes } = symbolizer.stats();
  const peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
  await symbolizer.close();
  const named = symbols.reason.reduce((sum, reason) => sum + (reason === 0 ? 1 : 0), 0);
  return {
    startMs: ready - start,
    coldMs: cold - ready,
    cachedMs: cached - cold,
    longestStallMs: delay.max / 1e6,
    residentMb: residentBytes / 2 ** 20,
    peakMb: peak,
    named,
    frames: symbols.frames.name.length,
    lines: symbols.frames.line.reduce((sum, line) => sum + (line > 0 ? 1 : 0), 0),
  };
}

function llvm() {
  const start = performance.now();
  const { stdout } = spawnSync('llvm-symbolizer', [`--obj=${file}`, '--inlines', '--demangle'], {
    encoding: 'utf8',
    maxBuffer: 1 << 30,
    input: addresses.map(address => `0x${address.toString(16)}\n`).join(''),
  });
  const ms = performance.now() - start;
  const blocks = stdout.trimEnd().split('\n\n');
  const places = stdout.split('\n').filter(line => /:\d+:\d+$/.test(line));
  return {
    ms,
    named: blocks.filter(block => !block.trim().startsWith('??')).length,
    frames: places.length,
    lines: places.filter(line => !/:0:\d+$/.test(line)).length,
  };
}

function llvmPeak() {
  return new Promise(resolve => {
    const child = spawn('llvm-symbolizer', [`--obj=${file}`, '--inlines', '--demangle'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    let peak = 0;
    const timer = setInterval(() => {
      try {
        peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? peak);
      } catch {}
    }, 5);
    child.stdout.resume();
    child.on('close', () => {
      clearInterval(timer);
      resolve(peak / 1024);
    });
    child.stdin.end(addresses.map(address => `0x${address.toString(16)}\n`).join(''));
  });
}

const own = [];
const peers = [];
for (let i = 0; i < RUNS; i++) {
  own.push(await ours());
  peers.push(llvm());
}
const medianOf = (list, key) => round(median(list.map(one => one[key])));
const result = {
  file: basename(file),
  fileMb: round(statSync(file).size / 2 ** 20),
  addresses: ADDRESSES,
  stackwell: Object.fromEntries(Object.keys(own[0]).map(key => [key, medianOf(own, key)])),
  llvmSymbolizer: {
    version: /version (\S+)/.exec(execFileSync('llvm-symbolizer', ['--version'], { encoding: 'utf8' }))?.[1],
    ...Object.fromEntries(Object.keys(peers[0]).map(key => [key, medianOf(peers, key)])),
    peakMb: round(await llvmPeak()),
  },
};
console.log(JSON.stringify(result, null, 2));
