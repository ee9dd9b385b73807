// SPDX-License-Identifier: Apache-2.0
// Makes the recordings: runs each program below gdb up to a place, and writes down what the unwinder would find there
// (recordings/NAME.bin.gz, see recording.h) and what gdb says the stack is (NAME.json).
//
//   node test/replay/record.mjs [NAME...]      as root, after script/build
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { CASES } from './cases.mjs';
import { stopEmulated, stopHere } from './debugger.mjs';

const folder = fileURLToPath(new URL('.', import.meta.url));
const checkout = join(folder, '../..');
const compiled = join(checkout, 'dist/symbolizer');
const { Reader } = await import(join(compiled, 'reader.js'));
const { FileTable } = await import(join(compiled, 'source-file.js'));
const { Opener } = await import(join(compiled, 'opener.js'));
const { describeTable, blocksOf } = await import(join(compiled, 'unwind-table.js'));

/** What is kept above a frame whose caller is on another stack: a signal's registers are within. */
const WINDOW = 1024;
const BLOCK = 4096;
const INNER_CHILDREN = 511;
/** Of larger tables only the blocks that the stack needs are kept. */
const WHOLE_TABLE = 4;
const MAGIC = Buffer.from('SREPLAY2');
/** As ELF numbers them. */
const MACHINE = { x86_64: 62, arm64: 183 };

/** The table of a page that signal handlers return to, and nothing else. */
const SIGNAL_RETURN = { root: 0, levels: 1, blocks: new Uint8Array(BLOCK) };
SIGNAL_RETURN.blocks[4] = 1;
SIGNAL_RETURN.blocks[8 + 680 * 2] = 4;

const scratch = mkdtempSync(join(tmpdir(), 'stackwell-replay-'));

function build(name, { build: [compiler, ...rest], of }) {
  const output = join(scratch, name);
  const cwd = join(folder, 'programs', of ?? '');
  const flags = compiler === 'go' ? [...rest, '-o', output, '.'] : ['-o', output, ...rest];
  const env = { ...process.env, CGO_ENABLED: of === 'cgo' ? '1' : '0', GOFLAGS: '-buildvcs=false' };
  execFileSync(compiler, flags, { cwd, env, stdio: 'inherit' });
  return output;
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
  const stop = described.machine === 'arm64' ? stopEmulated : stopHere;
  const { registers, lists, mappings, segments } = await stop(program, described, scratch);
  let frames = lists[0];
  if (described.goesOn !== undefined) {
    const last = frames.findIndex(({ symbol }) => symbol.startsWith(described.goesOn));
    if (last < 0)
      throw new Error(`${name}: ${described.goesOn} is not below ${frames.map(f => f.symbol).join(' ')}`);
    // The first frame there is a place that the runtime puts in for its own tracebacks.
    frames = [...frames.slice(0, last + 1), ...lists[1].slice(1)];
  }
  frames = frames.slice(0, described.frames ?? frames.length);

  const pieces = piecesOf(lists.flat(), registers.fp, segments);
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
  const { machine = 'x86_64' } = described;
  const { ip, sp, fp, lr, call } = registers;
  word(MACHINE[machine], ip, sp, fp, lr, call, vdso?.start ?? 0);
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
        const own = segments.find(({ start }) => start === vdso.start);
        if (own !== undefined) writeFileSync(file, own.bytes);
      }
      const table = mapping.isSignalReturn ? SIGNAL_RETURN : await tableOf(file);
      tables.set(number, { table, needed: new Set() });
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
    machine,
    made: [...described.build, ...(described.of === undefined ? [] : [described.of])].join(' '),
    stopped: described.stop,
    end: described.end ?? 'root',
    wanted: described.without?.length ?? 0,
    inSystemCall: BigInt.asIntN(64, call) >= 0n,
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
