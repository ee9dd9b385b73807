// SPDX-License-Identifier: Apache-2.0
// The BPF unwinder over recorded stacks: it has to find what gdb found (in a Java
// virtual machine, what jstack said), and to end whatever the memory holds.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { STACK_ENDS } from '../../src/profile/types.js';

const folder = fileURLToPath(new URL('.', import.meta.url));
const output = fileURLToPath(new URL('../../build/test/replay', import.meta.url));

interface Recorded {
  machine: 'x86_64' | 'arm64';
  end: string;
  /** Files whose table is not there. */
  wanted: number;
  inSystemCall: boolean;
  /** Address, function and offset, file; of Java code both words, then functions and lines, inlined first; leaf first. */
  frames: string[];
}

const names = readdirSync(join(folder, 'recordings'))
  .filter(name => name.endsWith('.json'))
  .map(name => name.slice(0, -5));

const expectedOf = (name: string): Recorded =>
  JSON.parse(readFileSync(join(folder, 'recordings', `${name}.json`), 'utf8')) as Recorded;

const bytesOf = (name: string): Buffer =>
  gunzipSync(readFileSync(join(folder, 'recordings', `${name}.bin.gz`)));

function run(name: string, ...words: string[]): { status: number | null; lines: string[]; errors: string } {
  const { status, stdout, stderr } = spawnSync(join(output, expectedOf(name).machine), words, {
    input: bytesOf(name),
    env: { ...process.env, UBSAN_OPTIONS: 'print_stacktrace=1' },
  });
  return { status, lines: stdout.toString().trimEnd().split('\n'), errors: stderr.toString() };
}

/** With sanitizers that end the program at the first error. */
beforeAll(() => {
  mkdirSync(output, { recursive: true });
  const warnings = ['-Wall', '-Wextra', '-Werror', '-Wno-unused-function', '-Wno-unused-parameter'];
  const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
  const flags = ['-std=gnu17', '-O1', '-g', ...sanitizers, ...warnings, '-Wno-unknown-pragmas'];
  // The machine of the recordings, whatever this one is.
  for (const [machine, target] of [
    ['x86_64', 'x86'],
    ['arm64', 'arm64'],
  ] as const) {
    const source = join(folder, 'replay.c');
    const places = [`-I${join(folder, 'host')}`, '-o', join(output, machine), source];
    execFileSync('gcc', [...flags, `-D__TARGET_ARCH_${target}`, ...places]);
  }
});

const TAG_EXACT = 4n;
/** Frames of two words. */
const TAGS_JAVA = [1n, 2n];

/** An address without its tag; of a Java frame both words. */
function framesOf(words: bigint[]): { tag: bigint; place: string }[] {
  const frames = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    const tag = word >> 60n;
    const place = TAGS_JAVA.includes(tag)
      ? `${word.toString(16)},${words[++at]!.toString(16)}`
      : (word & ((1n << 60n) - 1n)).toString(16);
    frames.push({ tag, place });
  }
  return frames;
}

const USER_EXACT = 32;

describe.each(names)('%s', name => {
  it('is unwound as it stood', () => {
    const expected = expectedOf(name);
    const { status, lines, errors } = run(name);
    expect({ status, errors }).toEqual({ status: 0, errors: '' });
    const [end, wanted, flags] = lines[0]!.split(' ').map(Number) as [number, number, number];
    const words = lines.slice(1).map(line => BigInt(`0x${line}`));
    const frames = framesOf(words);
    const known = new Map(expected.frames.map(frame => [frame.split(' ')[0]!, frame]));
    expect(frames.map(({ place }) => known.get(place) ?? place)).toEqual(expected.frames);
    expect(STACK_ENDS[end]).toBe(expected.end);
    expect(wanted).toBe(expected.wanted);
    expect((flags & USER_EXACT) !== 0).toBe(!expected.inSystemCall);
    // Exactly what a signal interrupted is marked.
    const interrupted = expected.frames.flatMap((frame, index) =>
      / (__restore_rt|signal_return)\+/.test(frame) ? [index + 1] : [],
    );
    const marked = frames.flatMap(({ tag }, index) => (tag === TAG_EXACT ? [index] : []));
    expect(marked).toEqual(interrupted);
  });

  it('ends within bounds when what it reads is damaged', () => {
    const { status, lines, errors } = run(name, '10000', '1');
    expect({ status, errors }).toEqual({ status: 0, errors: '' });
    const counts = lines.map(Number);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(10_000);
    // The damage is felt.
    expect(counts.filter(count => count > 0).length).toBeGreaterThan(3);
  });
});

/** A recording by hand: one file, whose table is an inner block over a leaf for each of the rows. */
function made(rows: [offset: number, rule: number][], ip: number, stack: number[], fp = 0): Buffer {
  const words = (...numbers: number[]): Buffer => {
    const bytes = Buffer.alloc(numbers.length * 8);
    numbers.forEach((number, index) => {
      bytes.writeBigInt64LE(BigInt(number), index * 8);
    });
    return bytes;
  };
  const root = Buffer.alloc(4096);
  root.writeUInt32LE(rows.length);
  const leaves = rows.map(([offset, rule], index) => {
    const leaf = Buffer.alloc(4096);
    leaf.writeUInt32LE(offset);
    leaf.writeUInt16LE(1, 4);
    leaf.writeUInt32LE(rule, 8 + 680 * 2);
    root.writeUInt32LE(offset, 8 + index * 4);
    root.writeUInt32LE(index + 1, 8 + (511 + index) * 4);
    return Buffer.concat([words(index + 1), leaf]);
  });
  return Buffer.concat([
    ...[Buffer.from('SREPLAY3'), words(62, ip, 0x7000, fp, 0, -1, 0, 0, 0)],
    words(1, 0x1000_0000, 0x2000_0000, 0, 2, 5),
    ...[words(1, 0x7000, stack.length * 8), words(...stack)],
    ...[words(1, 2, 0, 2, rows.length + 1), words(0), root, ...leaves],
  ]);
}

it.each([
  ['up to the next one', 0x1030_0000 - 1, 'root', 2],
  ['not further', 0x1030_0000, 'root', 1],
  ['from its first byte on', 0x1000_1000, 'root', 2],
  ['and not in front of it', 0x1000_0fff, 'no_table', 1],
])('a rule holds %s, though that be megabytes', (_, ip, end, frames) => {
  const input = made(
    [
      [0x1000, 0x0001_0001],
      [0x30_0000, 5],
    ],
    ip,
    [0x1030_0001],
  );
  const { stdout, stderr } = spawnSync(join(output, 'x86_64'), [], { input });
  expect(stderr.toString()).toBe('');
  const lines = stdout.toString().trimEnd().split('\n');
  expect(STACK_ENDS[Number(lines[0]!.split(' ')[0])]).toBe(end);
  expect(lines.length - 1).toBe(frames);
});

describe('JavaScript', () => {
  /**
   * The third word of a function is its SharedFunctionInfo here; of that the fourth is the script, and the upper half of
   * the sixth the function's number; of a script the first is the script's.
   */
  const layout = 3 | (4 << 5) | (13 << 10) | (1 << 16);
  const [builtin, interpreter] = [8 | (layout << 5), 8 | (1 << 4) | (layout << 5)];
  const rows: [number, number][] = [
    [0x1000, builtin],
    [0x2000, interpreter],
    [0x3000, 5],
  ];
  const stack = new Array<number>(64).fill(0);
  const put = (address: number, ...words: number[]): void => {
    for (const [index, word] of words.entries()) stack[(address - 0x7000) / 8 + index] = word;
  };
  // Function and context, the caller's frame pointer, the return address; objects have a 1 in their last bits.
  put(0x7030, 0x7101, 0x7181, 0x7080, 0x1000_2010);
  put(0x7070, 0x7141, 0x7181, 0, 0x1000_3010);
  put(0x7100 + 24, 0xa001);
  put(0x7140 + 24, 0x71a1);
  put(0x71a0 + 32, 0x7181, 0, 3 * 2 ** 32);
  put(0x7180 + 8, 77 * 2 ** 32);
  const identity = BigInt.asUintN(64, ((77n << 32n) ^ 3n) * 0x9e3779b97f4a7c15n) >> 48n;
  const input = made(rows, 0x1000_1010, stack, 0x7040);

  it('a builtin gets the function that called it, the interpreter gives way to what it runs', () => {
    const { stdout, stderr } = spawnSync(join(output, 'x86_64'), [], { input });
    expect(stderr.toString()).toBe('');
    expect(stdout.toString().trimEnd().split('\n')).toEqual([
      `${STACK_ENDS.indexOf('root')} 0 ${USER_EXACT}`,
      // What the first one is cannot be read.
      ...['10001010', '500000000000a001', '0'],
      ...['50000000000071a1', ((identity << 48n) | 0x1000_2010n).toString(16), '10003010'],
    ]);
  });

  it('ends within bounds when what it reads is damaged', () => {
    const { status, stderr } = spawnSync(join(output, 'x86_64'), ['20000', '1'], { input });
    expect({ status, errors: stderr.toString() }).toEqual({ status: 0, errors: '' });
  });
});

it('what is no recording is refused', () => {
  const good = bytesOf('callback');
  for (const input of [
    Buffer.alloc(0),
    good.subarray(8),
    good.subarray(0, good.length - 1),
    Buffer.concat([good, good]),
  ]) {
    const { status } = spawnSync(join(output, 'x86_64'), [], { input });
    expect(status).toBe(2);
  }
});
