// SPDX-License-Identifier: Apache-2.0
// Makes the recordings: stops each program at a place, below gdb or (Java) as it runs, and writes down what the unwinder
// would find there (recordings/NAME.bin.gz, see recording.h) and what gdb or jstack says the stack is (NAME.json).
//
//   node test/replay/record.mjs [NAME...]      as root, after script/build
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { CASES } from './cases.mjs';
import { EXECUTABLE, stopEmulated, stopHere } from './debugger.mjs';
import { JavaProcess } from './java.mjs';

const folder = fileURLToPath(new URL('.', import.meta.url));
const checkout = join(folder, '../..');
const compiled = join(checkout, 'dist/symbolizer');
const { Reader } = await import(join(compiled, 'reader.js'));
const { FileTable } = await import(join(compiled, 'source-file.js'));
const { Opener } = await import(join(compiled, 'opener.js'));
const { openMemory } = await import(join(checkout, 'dist/agent/profiling/symbolizer/memory.js'));
const { encodeFrames } = await import(join(compiled, 'protocol.js'));
const { describeTable, blocksOf } = await import(join(compiled, 'unwind-table.js'));

/** What is kept above a frame whose caller is on another stack: a signal's registers are within. */
const WINDOW = 1024;
const BLOCK = 4096;
const INNER_CHILDREN = 511;
/** Of larger tables only the blocks that the stack needs are kept. */
const WHOLE_TABLE = 4;
const MAGIC = Buffer.from('SREPLAY3');
/** As bpf/profile/sample.h and native/bpf/columns.cc have them. */
const [TAG_INTERPRETED, TAG_COMPILED, SPACE_INTERPRETED, SPACE_COMPILED] = [1, 2, 5, 6];
/** As ELF numbers them. */
const MACHINE = { x86_64: 62, arm64: 183 };

/** The table of a page that signal handlers return to, and nothing else. */
const SIGNAL_RETURN = { root: 0, levels: 1, blocks: new Uint8Array(BLOCK) };
SIGNAL_RETURN.blocks[4] = 1;
SIGNAL_RETURN.blocks[8 + 680 * 2] = 4;

const scratch = mkdtempSync(join(tmpdir(), 'stackwell-replay-'));

function build(name, { build: [compiler, ...rest], of, machine, toolchain }) {
  const output = join(scratch, name);
  const cwd = join(folder, 'programs', of ?? '');
  const flags = compiler === 'go' ? [...rest, '-o', output, '.'] : ['-o', output, ...rest];
  const env = { ...process.env, CGO_ENABLED: of === 'cgo' ? '1' : '0', GOFLAGS: '-buildvcs=false' };
  if (machine === 'arm64') env.GOARCH = 'arm64';
  if (toolchain !== undefined) env.GOTOOLCHAIN = toolchain;
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

/** A symbolizer child; whoever gets it closes it. */
function openReader() {
  const files = new FileTable({ files: 16, bytes: 2 ** 34 });
  const limits = {
    memoryBytes: 2 ** 29,
    residentBytes: 2 ** 30,
    descriptors: 64,
    timeoutMs: 2000,
    coldTimeoutMs: 10_000,
  };
  return new Reader(files, { path: join(checkout, 'build/stackwell-symbolizer'), ...limits });
}

async function openFile(reader, path) {
  const file = reader.table.use(path, 'elf');
  if (file.isOpen) return file;
  file.opened.push({ id: file.number, file: await new Opener(2000).inRoot('/', path), role: 'self' });
  await reader.describe(file);
  return file;
}

async function tableOf(path) {
  const reader = openReader();
  try {
    const payload = await reader.unwindTable(await openFile(reader, path));
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

/** Numbers that the recording gives to files. */
function numbersOf(mappings) {
  const files = [...new Set(mappings.map(mapping => mapping.path).filter(each => each.startsWith('/')))];
  return mapping =>
    mapping.path === '[vdso]' ? 1 : files.includes(mapping.path) ? files.indexOf(mapping.path) + 2 : 0;
}

/** As recording.h has it. `tables`: file → { table, needed: numbers of its blocks }. */
function encode({ machine, registers, mappings, pieces, tables, jvm = Buffer.alloc(0) }) {
  const words = [];
  const word = (...numbers) => {
    for (const number of numbers) {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(number)));
      words.push(bytes);
    }
  };
  const numberOf = numbersOf(mappings);
  words.push(MAGIC);
  const { ip, sp, fp, lr, call, bytecode = 0n } = registers;
  const vdso = mappings.find(mapping => mapping.path === '[vdso]');
  word(MACHINE[machine], ip, sp, fp, lr, call, vdso?.start ?? 0, bytecode, jvm.length / 8);
  words.push(jvm);
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
  return Buffer.concat(words);
}

function write(name, expected, content) {
  mkdirSync(join(folder, 'recordings'), { recursive: true });
  writeFileSync(join(folder, 'recordings', `${name}.json`), `${JSON.stringify(expected, null, 2)}\n`);
  const packed = gzipSync(content, { level: 9 });
  writeFileSync(join(folder, 'recordings', `${name}.bin.gz`), packed);
  console.log(`${name}: ${expected.frames.length} frames, ${packed.length} bytes`);
}

async function recordProgram(name) {
  const described = CASES[name];
  const program = build(name, described);
  const { machine = 'x86_64' } = described;
  const stop = machine === 'arm64' ? stopEmulated : stopHere;
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

  const numberOf = numbersOf(mappings);
  const mappingAt = place => mappings.find(({ start, end }) => place >= start && place < end);
  const tables = new Map();
  for (const [index, { pc }] of frames.entries()) {
    const mapping = mappingAt(index === 0 ? pc : pc - 1n);
    const number = mapping === undefined ? 0 : numberOf(mapping);
    if (number === 0 || described.without?.includes(basename(mapping.path))) continue;
    const inVdso = mapping.path === '[vdso]';
    if (!tables.has(number)) {
      let file = mapping.path;
      if (described.stripped && file === program) {
        file = `${program}.stripped`;
        execFileSync('strip', ['--strip-all', '-o', file, program]);
      }
      if (inVdso) {
        file = join(scratch, '[vdso]');
        const own = segments.find(({ start }) => start === mapping.start);
        if (own !== undefined) writeFileSync(file, own.bytes);
      }
      const table = mapping.isSignalReturn ? SIGNAL_RETURN : await tableOf(file);
      tables.set(number, { table, needed: new Set() });
    }
    const { table, needed } = tables.get(number);
    const offset = Number(pc - mapping.start + (inVdso ? 0n : mapping.offset));
    for (const place of [offset - 1, offset]) for (const block of path(table, place)) needed.add(block);
  }

  const moduleOf = pc => basename(mappingAt(pc - 1n)?.path ?? '?');
  const expected = {
    machine,
    made: [
      ...[described.toolchain ?? []].flat(),
      ...described.build,
      ...[described.of ?? [], described.stripped ? 'stripped' : []].flat(),
    ].join(' '),
    stopped: described.stop,
    end: described.end ?? 'root',
    wanted: described.without?.length ?? 0,
    inSystemCall: BigInt.asIntN(64, registers.call) >= 0n,
    frames: frames.map(({ pc, symbol }) => `${pc.toString(16)} ${symbol} ${moduleOf(pc)}`),
  };
  const pieces = piecesOf(lists.flat(), registers.fp, segments);
  write(name, expected, encode({ machine, registers, mappings, pieces, tables }));
}

/** A page of memory is too much for each word that is read, and a word too little for each turn. */
const LINE = 64n;
const TURNS = 2000;

/**
 * Adds to a recording without memory and blocks what the replay asks for, until it has all there is. Its content, and
 * what the replay prints of it.
 */
function complete(parts, running) {
  const lines = new Map();
  const unreadable = new Set();
  const owners = [...parts.tables.values()].flatMap(entry =>
    Array.from({ length: entry.table.blocks.length / BLOCK }, (_, block) => ({ entry, block })),
  );
  const addBlock = number => {
    const { entry, block } = owners[number];
    return entry.needed.size < entry.needed.add(block).size;
  };
  const addMemory = (first, size) => {
    const before = lines.size;
    for (let at = first & ~(LINE - 1n); at < first + size; at += LINE) {
      if (lines.has(at) || unreadable.has(at)) continue;
      const bytes = running.read(at, Number(LINE));
      if (bytes === null) unreadable.add(at);
      else lines.set(at, bytes);
    }
    return lines.size > before;
  };
  for (let turn = 0; turn < TURNS; turn++) {
    const content = encode({ ...parts, pieces: joined(lines) });
    const replay = join(checkout, 'build/test/replay', parts.machine);
    const { status, stdout, stderr } = spawnSync(replay, ['missing'], { input: content });
    if (status !== 0) throw new Error(stderr.toString());
    const printed = stdout.toString().trimEnd().split('\n');
    const added = printed.map(line => {
      const [what, place, size] = line.split(' ');
      if (what === 'block') return addBlock(Number(place));
      return what === 'memory' && addMemory(BigInt(`0x${place}`), BigInt(size));
    });
    if (!added.includes(true))
      return { content, printed: printed.filter(line => !/^(block|memory) /.test(line)) };
  }
  throw new Error('it asks for ever more');
}

async function recordJava(name) {
  const { java, flags } = CASES[name];
  const running = await JavaProcess.start(java, flags, join(folder, 'programs/java/Chain.java'), scratch);
  const reader = openReader();
  try {
    const { registers, mappings, expectedNames } = await running.stop(/^Chain\.spin /);
    const numberOf = numbersOf(mappings);
    const code = mappings.filter(mapping => mapping.flags & EXECUTABLE && mapping.path.startsWith('/'));
    const tables = new Map();
    for (const mapping of code)
      tables.set(numberOf(mapping), { table: await tableOf(mapping.path), needed: new Set() });

    const memory = reader.table.use(`java ${running.pid}`, 'java');
    memory.opened.push({ id: memory.number, file: openMemory(running.pid), role: 'self' });
    const library = code.find(mapping => mapping.path.endsWith('/libjvm.so'));
    const jvm = Buffer.from(await reader.openMachine(memory, await openFile(reader, library.path), library));
    // The recorded process was started at 0.
    jvm.writeBigUInt64LE(0n, 0);

    const machine = 'x86_64';
    const { content, printed } = complete({ machine, registers, mappings, tables, jvm }, running);
    const [head, ...words] = printed;
    const [end, wanted] = head.split(' ').map(Number);
    if (end !== 0 || wanted !== 0) throw new Error(`it ends as ${end}, and wants ${wanted} tables`);
    const frames = await named(
      reader,
      memory,
      words.map(word => BigInt(`0x${word}`)),
      mappings,
    );
    compareJava(frames, expectedNames);
    const expected = {
      machine,
      made: `java ${java} ${flags.join(' ')} Chain`,
      stopped: ['in Chain.spin, where jstack agrees'],
      end: 'root',
      wanted,
      inSystemCall: false,
      frames: frames.map(({ place, text }) => `${place} ${text}`),
    };
    write(name, expected, content);
  } finally {
    await reader.close();
    await running.end();
  }
}

/**
 * Java frames have to be those that jstack says, in every line. Of the innermost one only its own function: where it was
 * interrupted the machine keeps no lines and inlined calls, but those of the next place that it does keep some for.
 */
function compareJava(frames, expectedNames) {
  const [innermost, ...callers] = frames
    .map(frame => frame.java.filter(each => !each.startsWith('StubRoutines')))
    .filter(names => names.length > 0);
  const ours = callers.flat();
  const theirs = expectedNames.slice(expectedNames.length - ours.length);
  const own = expectedNames[expectedNames.length - ours.length - 1];
  const functionOf = frame => frame?.split(' ')[0];
  if (JSON.stringify(ours) !== JSON.stringify(theirs) || functionOf(innermost?.at(-1)) !== functionOf(own))
    throw new Error(
      `jstack says\n${expectedNames.join('\n')}\nand not\n${[...(innermost ?? []), ...ours].join('\n')}`,
    );
}

/** Lines of memory that follow each other are one piece. */
function joined(lines) {
  const pieces = [];
  for (const [start, bytes] of [...lines].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const last = pieces.at(-1);
    if (last !== undefined && last.start + BigInt(last.length) === start) {
      last.parts.push(bytes);
      last.length += bytes.length;
    } else pieces.push({ start, parts: [bytes], length: bytes.length });
  }
  return pieces.map(({ start, parts }) => ({ start, bytes: Buffer.concat(parts) }));
}

/** Of an answer about one address: the functions there, inlined ones first; `java` has them as jstack does. */
function namesIn(answer) {
  const functions = [...(answer?.name ?? [])].map(index => answer.strings[index]);
  const java = functions.map((name, i) => {
    const file = answer.strings[answer.file[i]];
    const line = answer.line[i];
    return `${name} ${line === 0 ? '' : `${file}:${line}`}`;
  });
  return { functions, java };
}

/** Frames of words, with the symbolizer's names: of Java code `java` has them as jstack does, inlined ones first. */
async function named(reader, memory, words, mappings) {
  const frames = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at];
    const tag = Number(word >> 60n);
    const address = word & ((1n << 60n) - 1n);
    if (tag !== TAG_INTERPRETED && tag !== TAG_COMPILED) {
      // What is interrupted is Java code.
      const place = address - 1n;
      const mapping = mappings.find(({ start, end }) => place >= start && place < end);
      const file = await openFile(reader, mapping.path);
      const { functions } = namesIn(
        await reader.lookup(file, [Number(place - mapping.start + mapping.offset)]),
      );
      const text = `${functions.at(-1) ?? '?'} ${basename(mapping.path)}`;
      frames.push({ place: address.toString(16), text, java: [] });
      continue;
    }
    const extra = words[++at];
    const space = tag === TAG_INTERPRETED ? SPACE_INTERPRETED : SPACE_COMPILED;
    const question = encodeFrames(
      { space: [space], address: BigUint64Array.of(address), extra: BigUint64Array.of(extra) },
      [0],
    );
    const { java } = namesIn(await reader.lookupFrames(memory, question));
    const place = `${word.toString(16)},${extra.toString(16)}`;
    frames.push({ place, text: java.join(' < '), java });
  }
  return frames;
}

const record = name => (CASES[name].java === undefined ? recordProgram(name) : recordJava(name));

try {
  const names = process.argv.slice(2);
  for (const name of names.length > 0 ? names : Object.keys(CASES)) await record(name);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
