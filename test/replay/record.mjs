// SPDX-License-Identifier: Apache-2.0
// Makes the recordings: runs each program below gdb up to a place, and writes down what the unwinder would find there
// (recordings/NAME.bin.gz, see recording.h) and what gdb says the stack is (NAME.json).
//
//   node test/replay/record.mjs [NAME...]      as root, after script/build
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { CASES } from './cases.mjs';

const folder = fileURLToPath(new URL('.', import.meta.url));
const checkout = join(folder, '../..');
const compiled = join(checkout, 'dist/agent/profiling/symbolizer');
const { Reader } = await import(join(compiled, 'reader.js'));
const { FileTable } = await import(join(compiled, 'source-file.js'));
const { Opener } = await import(join(compiled, 'opener.js'));
const { describeTable, blocksOf } = await import(join(compiled, 'unwind-table.js'));

/** Of the main goroutine, which is on the main thread. */
const GOROUTINE = "'runtime.m0'.curg->sched";

const FRAMES = 300;
/** What is kept above a frame whose caller is on another stack: a signal's registers are within. */
const WINDOW = 1024;
const BLOCK = 4096;
const INNER_CHILDREN = 511;
/** Of larger tables only the blocks that the stack needs are kept. */
const WHOLE_TABLE = 4;
const MAGIC = Buffer.from('SREPLAY1');
const EXECUTABLE = 4;

const scratch = mkdtempSync(join(tmpdir(), 'stackwell-replay-'));

function build(name, { build: [compiler, ...rest], of }) {
  const output = join(scratch, name);
  const cwd = join(folder, 'programs', of ?? '');
  const flags = compiler === 'go' ? [...rest, '-o', output, '.'] : ['-o', output, ...rest];
  const env = { ...process.env, CGO_ENABLED: of === 'cgo' ? '1' : '0', GOFLAGS: '-buildvcs=false' };
  execFileSync(compiler, flags, { cwd, env, stdio: 'inherit' });
  return output;
}

/** What gdb prints, line by line; `core` has the memory then. */
function stopped(program, core, { of, run = '', stop, goesOn }) {
  const list = [
    `frame apply ${FRAMES} -s printf "frame %#lx %#lx\\n", $pc, $sp`,
    `frame apply ${FRAMES} -s info symbol $pc`,
    'echo CALLS\\n',
    `frame apply ${FRAMES} -s info symbol $pc - 1`,
    'echo END\\n',
  ];
  const before = [
    ...['pagination off', 'confirm off', 'width 0', 'language c', 'startup-with-shell off'],
    'backtrace past-main on',
  ];
  const other = [
    ...['pc', 'sp', 'bp'].map(register => `set $next_${register} = ${GOROUTINE}.${register}`),
    ...['pc', 'sp', 'bp'].map(register => `set $${register === 'bp' ? 'rbp' : register} = $next_${register}`),
  ];
  const commands = [
    ...before.map(words => `set ${words}`),
    'handle SIGUSR1 SIGILL SIGURG nostop noprint pass',
    `tbreak ${of === undefined ? 'main' : 'main.main'}`,
    `run ${run}`,
    ...stop,
    'printf "registers %#lx %#lx %#lx %#lx\\n", $rip, $rsp, $rbp, $orig_rax',
    'info proc mappings',
    `generate-core-file ${core}`,
    ...list,
    ...(goesOn === undefined ? [] : [...other, ...list]),
    'kill',
  ];
  const words = commands.flatMap(command => ['-ex', command]);
  return execFileSync('gdb', ['-nx', '-batch', ...words, program], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    cwd: scratch,
    stdio: ['ignore', 'pipe', 'pipe'],
  }).split('\n');
}

/** Lists of frames, leaf first: what gdb says about each. */
function framesIn(lines) {
  const lists = [];
  let list = null;
  let calls = -1;
  for (const line of lines) {
    const frame = /^frame (0x\w+) (0x\w+)/.exec(line);
    const symbol =
      /^(.*) in section \S+( of (.*))?$/.exec(line)?.[1] ?? (/^No symbol matches/.test(line) ? '?' : null);
    if (frame !== null) {
      list ??= { frames: [], symbols: [], callers: [] };
      list.frames.push({ pc: BigInt(frame[1]), sp: BigInt(frame[2]) });
    } else if (line === 'CALLS') {
      calls = 0;
    } else if (line === 'END') {
      lists.push(list ?? { frames: [], symbols: [], callers: [] });
      list = null;
      calls = -1;
    } else if (symbol !== null && list !== null) {
      (calls < 0 ? list.symbols : list.callers).push(symbol);
    }
  }
  return lists.map(({ frames, symbols, callers }) => {
    let exact = true;
    // Inlined calls, and functions that left by a tail call, are frames to gdb: with the stack of the next one.
    const own = ({ sp }, index) => sp !== frames[index + 1]?.sp;
    const named = frames.map((frame, index) => {
      // Nobody called from in front of where a signal handler returns to.
      const returns = /^(__restore_rt|runtime\.sigreturn\S*)$/.test(symbols[index]);
      const precise = exact || returns;
      const [, name, offset] = /^(.*?)(?: \+ (\d+))?$/.exec((precise ? symbols : callers)[index] ?? '?');
      // gdb writes the package of a Go function in its own way.
      const symbol = `${name.replace(/^(\w+)\[(\w+)\]$/, '$1.$2')}+${Number(offset ?? 0) + (precise ? 0 : 1)}`;
      // What a signal interrupted is at the very instruction.
      exact = returns;
      return { ...frame, symbol };
    });
    return named.filter(own);
  });
}

function mappingsIn(lines) {
  const mappings = [];
  for (const line of lines) {
    const found = /^\s+(0x\w+)\s+(0x\w+)\s+0x\w+\s+(0x\w+)\s+([-rwxps]{4})\s*(.*)$/.exec(line);
    if (found === null || found[5] === '[vsyscall]') continue;
    const [start, end, offset] = found.slice(1, 4).map(BigInt);
    const flags = [...found[4]].reduce(
      (sum, letter) => sum | ({ r: 1, w: 2, x: EXECUTABLE }[letter] ?? 0),
      0,
    );
    mappings.push({ start, end, offset, flags, path: found[5].trim() });
  }
  return mappings;
}

/** Loaded segments of a core file. */
function memoryOf(core) {
  const bytes = readFileSync(core);
  const [table, size, count] = [
    Number(bytes.readBigUInt64LE(32)),
    bytes.readUInt16LE(54),
    bytes.readUInt16LE(56),
  ];
  const segments = [];
  for (let i = 0; i < count; i++) {
    const at = table + i * size;
    if (bytes.readUInt32LE(at) !== 1) continue;
    const [offset, start, length] = [at + 8, at + 16, at + 32].map(place => bytes.readBigUInt64LE(place));
    segments.push({
      start,
      end: start + length,
      bytes: bytes.subarray(Number(offset), Number(offset + length)),
    });
  }
  return segments;
}

/** The pieces of memory that the frames take up, in order and apart from each other. */
function piecesOf(frames, fp, segments) {
  const wanted = [{ start: fp - 64n, end: fp + 64n }];
  frames.forEach(({ sp }, index) => {
    const next = frames[index + 1]?.sp ?? 0n;
    const near = next > sp && next - sp < 1n << 20n;
    wanted.push({ start: sp - 64n, end: near ? next : sp + BigInt(WINDOW) });
  });
  const pieces = [];
  for (const segment of segments) {
    const inside = wanted
      .map(({ start, end }) => ({
        start: (start > segment.start ? start : segment.start) & ~7n,
        end: ((end < segment.end ? end : segment.end) + 7n) & ~7n,
      }))
      .filter(({ start, end }) => start < end)
      .sort((a, b) => (a.start < b.start ? -1 : 1));
    let last = null;
    for (const { start, end } of inside) {
      if (last !== null && start <= last.end) {
        if (end > last.end) last.end = end;
        continue;
      }
      last = { start, end, segment };
      pieces.push(last);
    }
  }
  return pieces.map(({ start, end, segment }) => ({
    start,
    bytes: segment.bytes.subarray(Number(start - segment.start), Number(end - segment.start)),
  }));
}

async function tableOf(path) {
  const files = new FileTable({ files: 16, bytes: 2 ** 34 });
  const limits = {
    memoryBytes: 2 ** 29,
    residentBytes: 2 ** 30,
    descriptors: 64,
    timeoutMs: 2000,
    coldTimeoutMs: 10_000,
  };
  const reader = new Reader(files, { path: join(checkout, 'build/stackwell-symbolizer'), ...limits });
  try {
    const file = files.use(path, 'elf');
    file.opened.push({ id: file.number, file: await new Opener(2000).inRoot('/', path), role: 'self' });
    await reader.describe(file);
    const payload = await reader.unwindTable(file);
    const { root, levels } = describeTable(payload);
    return { root, levels, blocks: blocksOf(payload).subarray(16) };
  } finally {
    await reader.close();
  }
}

/** Numbers of the blocks that a look-up visits. */
function path(table, offset) {
  const view = new DataView(table.blocks.buffer, table.blocks.byteOffset, table.blocks.byteLength);
  const visited = [table.root];
  for (let level = table.levels; level > 1; level--) {
    const at = visited.at(-1) * BLOCK;
    const children = view.getUint32(at, true);
    let child = 0;
    while (child + 1 < children && view.getUint32(at + 8 + (child + 1) * 4, true) <= offset) child++;
    visited.push(view.getUint32(at + 8 + (INNER_CHILDREN + child) * 4, true));
  }
  return visited;
}

/** With children renumbered: all tables are in one pool. */
function blocksIn(table, needed, base) {
  const inner = new Set();
  let level = [table.root];
  const view = new DataView(table.blocks.buffer, table.blocks.byteOffset, table.blocks.byteLength);
  for (let left = table.levels; left > 1; left--) {
    const below = [];
    for (const block of level) {
      inner.add(block);
      for (let i = 0; i < view.getUint32(block * BLOCK, true); i++)
        below.push(view.getUint32(block * BLOCK + 8 + (INNER_CHILDREN + i) * 4, true));
    }
    level = below;
  }
  return [...needed]
    .sort((a, b) => a - b)
    .map(number => {
      const block = Buffer.from(table.blocks.subarray(number * BLOCK, (number + 1) * BLOCK));
      for (let i = 0; inner.has(number) && i < block.readUInt32LE(0); i++) {
        const at = 8 + (INNER_CHILDREN + i) * 4;
        block.writeUInt32LE(block.readUInt32LE(at) + base, at);
      }
      return { number: number + base, block };
    });
}

async function record(name) {
  const described = CASES[name];
  const program = build(name, described);
  const core = join(scratch, `${name}.core`);
  const lines = stopped(program, core, described);
  const registers = lines
    .find(line => line.startsWith('registers '))
    ?.split(' ')
    .slice(1)
    .map(BigInt);
  if (registers === undefined) throw new Error(`${name}: ${lines.join('\n')}`);
  const lists = framesIn(lines);
  let frames = lists[0];
  if (described.goesOn !== undefined) {
    const last = frames.findIndex(({ symbol }) => symbol.startsWith(described.goesOn));
    if (last < 0)
      throw new Error(`${name}: ${described.goesOn} is not below ${frames.map(f => f.symbol).join(' ')}`);
    // The first frame there is a place that the runtime puts in for its own tracebacks.
    frames = [...frames.slice(0, last + 1), ...lists[1].slice(1)];
  }
  frames = frames.slice(0, described.frames ?? frames.length);

  const mappings = mappingsIn(lines);
  const segments = memoryOf(core);
  const pieces = piecesOf(lists.flat(), registers[2], segments);
  const vdso = mappings.find(mapping => mapping.path === '[vdso]');
  const files = [...new Set(mappings.map(mapping => mapping.path).filter(each => each.startsWith('/')))];
  const numberOf = mapping =>
    mapping === vdso ? 1 : files.includes(mapping.path) ? files.indexOf(mapping.path) + 2 : 0;
  const mappingAt = place => mappings.find(({ start, end }) => place >= start && place < end);

  const words = [];
  const word = (...numbers) => {
    for (const number of numbers) {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(number)));
      words.push(bytes);
    }
  };
  words.push(MAGIC);
  word(...registers, vdso?.start ?? 0);
  word(mappings.length);
  for (const mapping of mappings) {
    const { start, end, offset, flags } = mapping;
    word(start, end, mapping === vdso ? 0 : offset, numberOf(mapping), flags);
  }
  word(pieces.length);
  for (const { start, bytes } of pieces) {
    word(start, bytes.length);
    words.push(bytes);
  }

  const tables = new Map();
  for (const [index, { pc }] of frames.entries()) {
    const mapping = mappingAt(index === 0 ? pc : pc - 1n);
    const number = mapping === undefined ? 0 : numberOf(mapping);
    if (number === 0 || described.without?.includes(basename(mapping.path))) continue;
    if (!tables.has(number)) {
      let file = mapping.path;
      if (mapping === vdso) {
        file = join(scratch, '[vdso]');
        const segment = segments.find(({ start }) => start === vdso.start);
        writeFileSync(file, segment.bytes);
      }
      tables.set(number, { table: await tableOf(file), needed: new Set() });
    }
    const { table, needed } = tables.get(number);
    const offset = Number(pc - mapping.start + (mapping === vdso ? 0n : mapping.offset));
    for (const place of [offset - 1, offset]) for (const block of path(table, place)) needed.add(block);
  }
  word(tables.size);
  let base = 0;
  for (const [number, { table, needed }] of tables) {
    const count = table.blocks.length / BLOCK;
    const kept = count <= WHOLE_TABLE ? new Set(Array(count).keys()) : needed;
    word(number, table.root + base, table.levels, kept.size);
    for (const { number: block, block: bytes } of blocksIn(table, kept, base)) {
      word(block);
      words.push(bytes);
    }
    base += count;
  }

  const moduleOf = pc => basename(mappingAt(pc - 1n)?.path ?? '?');
  const expected = {
    made: [...described.build, ...(described.of === undefined ? [] : [described.of])].join(' '),
    stopped: described.stop,
    end: described.end ?? 'root',
    wanted: described.without?.length ?? 0,
    inSystemCall: BigInt.asIntN(64, registers[3]) >= 0n,
    frames: frames.map(({ pc, symbol }) => `${pc.toString(16)} ${symbol} ${moduleOf(pc)}`),
  };
  mkdirSync(join(folder, 'recordings'), { recursive: true });
  writeFileSync(join(folder, 'recordings', `${name}.json`), `${JSON.stringify(expected, null, 2)}\n`);
  const packed = gzipSync(Buffer.concat(words), { level: 9 });
  writeFileSync(join(folder, 'recordings', `${name}.bin.gz`), packed);
  console.log(`${name}: ${frames.length} frames, ${packed.length} bytes`);
}

try {
  const names = process.argv.slice(2);
  for (const name of names.length > 0 ? names : Object.keys(CASES)) await record(name);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
