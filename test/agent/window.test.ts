// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decode, encode, type ProfileColumns } from '#native/profile';
import { TupleTable } from '../../src/agent/profiling/tuple-table.js';
import { oneGroup, stateLetter, WindowBuilder } from '../../src/agent/profiling/window.js';
import { addCoverage, noCoverage, stacksOf, sumOf } from '../../src/profile/coverage.js';
import { REASONS, STACK_ENDS } from '../../src/profile/types.js';
import { type MadeDrain, type MadeSample, made } from './made-drain.js';

const UNWIND_FAILED = 1 + REASONS.indexOf('unwind_failed');
const TIME = { startNs: 1_700_000_000_000_000_000n, hz: 99 };

/** A profile as text rows: `label=value,… leaf<…<root value`, sorted. */
function rows(profile: ProfileColumns): string[] {
  const { samples, labels, strings } = profile;
  const out: string[] = [];
  for (let i = 0; i < samples.values.length; i++) {
    const own: string[] = [];
    for (let j = samples.labelOffset[i]!; j < samples.labelOffset[i + 1]!; j++)
      own.push(`${strings[labels.key[j]!]}=${strings[labels.str[j]!]}`);
    const stack = [...samples.location.subarray(samples.locationOffset[i], samples.locationOffset[i + 1])];
    out.push(
      `${own.sort().join(',')} ${stack.map(one => location(profile, one)).join('<')} ${samples.values[i]}`,
    );
  }
  return out.sort();
}

function location(profile: ProfileColumns, row: number): string {
  const { locations, mappings, lines, functions, strings } = profile;
  const names: string[] = [];
  for (let i = locations.lineOffset[row]!; i < locations.lineOffset[row + 1]!; i++) {
    const one = lines.function[i]!;
    const file = strings[functions.filename[one]!]!;
    names.push(`${strings[functions.name[one]!]}(${file}:${lines.line[i]})`);
  }
  const mapping = locations.mapping[row]!;
  const where = mapping < 0 ? '?' : strings[mappings.filename[mapping]!];
  return `${where}+${locations.address[row]!.toString(16)}{${names.join('>')}}`;
}

const comments = (profile: ProfileColumns) => [...profile.comments].map(row => profile.strings[row]!);

const EXAMPLE: MadeDrain = {
  samples: [
    { kind: 0, process: 0, tid: 11, threadName: 'main', stack: 0, count: 3, value: 3e7 },
    { kind: 0, process: 1, tid: 20, threadName: 'io\u0007', stack: 1, count: 1, value: 1e7 },
    { kind: 1, phase: 0, state: 2, process: 0, tid: 11, threadName: 'main', stack: 2, count: 2, value: 5e12 },
    { kind: 1, phase: 1, process: 0, tid: 11, threadName: 'main', stack: 0, count: 1, value: 1234 },
  ],
  stacks: [
    { locations: [0, 1, 2] },
    { locations: [3, 4], flags: 2, end: STACK_ENDS.indexOf('depth') },
    { locations: [0], flags: 4, end: STACK_ENDS.indexOf('not_taken') },
  ],
  locations: [
    { space: 0, address: 0xffffffff81000000n, frames: [{ name: 'schedule' }] },
    {
      space: 1,
      mapping: 0,
      address: 0x1234n,
      frames: [
        { name: 'inlined', file: 'a.cc', line: 7 },
        { name: 'outer', file: 'a.cc', line: 70 },
      ],
    },
    { space: 1, mapping: 1, address: 0x2000n, frames: [], reason: 1 + REASONS.indexOf('no_symbols') },
    { space: 2, address: 0x7f0000001000n, frames: [{ name: 'jitted' }] },
    { space: 3, address: 0xdeadn, frames: [], reason: 1 + REASONS.indexOf('unmapped') },
  ],
  mappings: [
    { path: '/bin/\u001bapp', buildId: 'aa' },
    { path: '/lib/libc.so', buildId: 'bb' },
  ],
  processes: [
    { pid: 10, comm: 'app' },
    { pid: 20, comm: 'jvm' },
  ],
  lost: { counts_full: 5, bad_delta: 2 },
};

describe('a window', () => {
  const { drained, symbols } = made(EXAMPLE);
  const build = (groupOf: number[], groups: number) => [
    ...new WindowBuilder(drained, symbols, TIME).build(Uint32Array.from(groupOf), groups),
  ];

  test('is one profile for each group and kind, with the conventions of docs/pprof.md', () => {
    const profiles = build([1, 0], 3);
    expect(profiles.map(({ group, kind }) => [group, kind])).toEqual([
      [0, 'cpu'],
      [1, 'cpu'],
      [1, 'offcpu'],
    ]);
    const [jvm, app, off] = profiles.map(one => one.columns);
    const main = 'pid=10,process_name=app';
    const thread = 'thread_id=11,thread_name=main';
    expect(rows(jvm!)).toEqual([
      'pid=20,process_name=jvm,thread_id=20,thread_name=io [jit]+0{jitted(:0)}<?+0{} 10000000',
    ]);
    const stack =
      '[kernel.kallsyms]+ffffffff81000000{schedule(:0)}</bin/app+1234{inlined(a.cc:7)>outer(a.cc:70)}</lib/libc.so+2000{}';
    expect(rows(app!)).toEqual([`${main},${thread} ${stack} 30000000`]);
    expect(rows(off!)).toEqual(
      [
        `phase=blocked,${main},state=D,${thread} [kernel.kallsyms]+ffffffff81000000{schedule(:0)}<?+0{} 5000000000000`,
        `phase=runqueue,${main},${thread} ${stack} 1234`,
      ].sort(),
    );
    expect(app!.period).toBe(10_101_010n);
    expect(off!.period).toBe(1n);
    expect(app!.timeNanos).toBe(TIME.startNs);
    expect(app!.durationNanos).toBe(10_000_000_000n);
    expect(app!.strings[app!.sampleTypes[0]!.type]).toBe('cpu');
    expect(off!.strings[off!.sampleTypes[0]!.type]).toBe('offcpu');
    expect(comments(jvm!)).toEqual([
      'stackwell.clock cpu-clock',
      'stackwell.samples 1',
      'stackwell.truncated 1',
      'stackwell.frames 2',
      'stackwell.named 1',
      'stackwell.incomplete.depth 1',
      'stackwell.lost.counts_full 5',
      'stackwell.unresolved.unmapped 1',
      'stackwell.reason unmapped 2',
    ]);
    expect(comments(off!)).toEqual([
      'stackwell.clock monotonic',
      'stackwell.samples 3',
      'stackwell.complete 1',
      'stackwell.frames 8',
      'stackwell.named 5',
      'stackwell.incomplete.not_taken 2',
      'stackwell.lost.counts_full 5',
      'stackwell.lost.bad_delta 2',
      'stackwell.unresolved.no_symbols 1',
      'stackwell.unresolved.unwind_failed 2',
      'stackwell.reason no_symbols 3',
      'stackwell.reason unwind_failed 4',
    ]);
    const { filename, buildId, limit, flags } = app!.mappings;
    expect(
      [...filename].map((row, i) => [app!.strings[row], app!.strings[buildId[i]!], limit[i], flags[i]]),
    ).toEqual([
      ['[kernel.kallsyms]', '', 1n << 63n, 1],
      ['/bin/app', 'aa', 1n << 63n, 1 | 2 | 4 | 8],
      ['/lib/libc.so', 'bb', 1n << 63n, 0],
    ]);
  });

  test('says how many names come from a perf map that was asked for', () => {
    const input = made(EXAMPLE);
    // Of the process whose samples are the first profile.
    input.drained.locations.process[3] = 1;
    const ofMapped = (mapped: number[]) =>
      [
        ...new WindowBuilder(input.drained, input.symbols, TIME, Uint8Array.from(mapped)).build(
          Uint32Array.of(1, 0),
          2,
        ),
      ].map(({ stats }) => stats.perfmap);
    expect(ofMapped([0, 1])).toEqual([1, 0, 0]);
    expect(ofMapped([1, 0])).toEqual([0, 0, 0]);
  });

  test('survives its own encoding', async () => {
    for (const { columns } of build([0, 0], 1)) {
      const back = await decode(await encode(columns, { gzipLevel: 0 }));
      expect(rows(back)).toEqual(rows(columns));
      expect(comments(back)).toEqual(comments(columns));
      expect([back.period, back.timeNanos, back.durationNanos]).toEqual([
        columns.period,
        columns.timeNanos,
        columns.durationNanos,
      ]);
    }
  });
});

describe('laws', () => {
  const location = fc.record({
    space: fc.constantFrom(0, 1, 2, 3, 4),
    mapping: fc.constantFrom(0, 1),
    address: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    reason: fc.constantFrom(0, 0, 1, 2, 4),
    frames: fc.array(
      fc.record({ name: fc.constantFrom('a', 'b', 'c'), file: fc.constantFrom('', 'f'), line: fc.nat(9) }),
      { minLength: 1, maxLength: 3 },
    ),
  });
  const drain = fc
    .record({
      locations: fc.array(location, { minLength: 1, maxLength: 12 }),
      processes: fc.array(fc.record({ pid: fc.nat(5), comm: fc.constantFrom('x', 'y') }), {
        minLength: 1,
        maxLength: 5,
      }),
    })
    .chain(({ locations, processes }) => {
      const stack = fc.record({
        locations: fc.array(fc.nat(locations.length - 1), { maxLength: 6 }),
        flags: fc.constantFrom(0, 1, 2, 4, 8),
        end: fc.nat(STACK_ENDS.length - 1),
      });
      return fc.array(stack, { minLength: 1, maxLength: 8 }).chain(stacks =>
        fc.record({
          locations: fc.constant(
            locations.map(one => ({ ...one, frames: one.reason === 0 ? one.frames : [] })),
          ),
          mappings: fc.constant([
            { path: '/a', buildId: '1' },
            { path: '/b', buildId: '' },
          ]),
          processes: fc.constant(processes),
          stacks: fc.constant(stacks),
          groupOf: fc.array(fc.nat(3), { minLength: processes.length, maxLength: processes.length }),
          samples: fc.array(
            fc.record({
              kind: fc.constantFrom(0, 1),
              phase: fc.constantFrom(0, 1, 2),
              state: fc.constantFrom(0, 1, 2, 4),
              process: fc.nat(processes.length - 1),
              tid: fc.nat(9),
              threadName: fc.constantFrom('t', 'u'),
              stack: fc.nat(stacks.length - 1),
              count: fc.integer({ min: 1, max: 1e6 }),
              // Up to 2^53: what a double holds exactly.
              value: fc.maxSafeNat(),
            }) as fc.Arbitrary<MadeSample>,
            { maxLength: 40 },
          ),
        }),
      );
    });

  test('what goes in comes out: values, samples, stacks and misses, whatever the groups', () => {
    fc.assert(
      fc.property(drain, input => {
        const { drained, symbols } = made(input);
        const builder = new WindowBuilder(drained, symbols, TIME);
        const profiles = [...builder.build(Uint32Array.from(input.groupOf), 4)];
        for (const kind of [0, 1]) {
          const given = input.samples.filter(one => one.kind === kind);
          const got = profiles.filter(one => one.kind === (kind === 0 ? 'cpu' : 'offcpu'));
          const total = got.reduce(
            (sum, { columns }) => columns.samples.values.reduce((a, b) => a + b, sum),
            0n,
          );
          expect(total).toBe(given.reduce((sum, one) => sum + BigInt(one.value), 0n));
          const samples = got.reduce((sum, { stats }) => sum + stats.samples, 0);
          expect(samples).toBe(given.reduce((sum, one) => sum + one.count, 0));
          const all = noCoverage();
          for (const { stats } of got) addCoverage(all, stats);
          const frames = given.reduce((sum, one) => {
            const { locations, flags = 0 } = input.stacks[one.stack]!;
            const here = locations.reduce(
              (n, row) => n + Math.max(1, input.locations[row]!.frames.length),
              0,
            );
            return sum + one.count * (here + (locations.length === 0 || (flags & 4) !== 0 ? 1 : 0));
          }, 0);
          expect(all.frames).toBe(frames);
          expect(all.named + sumOf(all.unresolved)).toBe(all.frames);
          expect(stacksOf(all)).toBe(all.samples);
          const whole = given.filter(({ stack }) => {
            const { end, flags = 0 } = input.stacks[stack]!;
            return (STACK_ENDS[end!] === 'root' || STACK_ENDS[end!] === 'no_user') && (flags & (1 | 8)) === 0;
          });
          expect(all.complete).toBe(whole.reduce((sum, one) => sum + one.count, 0));
          expect(all.truncated).toBe(all.incomplete.depth ?? 0);
          for (const [i, reason] of REASONS.entries()) {
            const expected = given.reduce((sum, one) => {
              const { locations, flags = 0 } = input.stacks[one.stack]!;
              const here = locations.filter(row => input.locations[row]!.reason === i + 1).length;
              const whole = locations.length > 0 && (flags & 4) === 0;
              return sum + one.count * (here + (i + 1 === UNWIND_FAILED && !whole ? 1 : 0));
            }, 0);
            expect(all.unresolved[reason] ?? 0).toBe(expected);
          }
        }
        // Splitting into groups changes nothing of any row.
        const whole = new WindowBuilder(drained, symbols, TIME).build(oneGroup(drained), 1);
        const all = (some: Iterable<{ columns: ProfileColumns }>) =>
          [...some].flatMap(({ columns }) => rows(columns)).sort();
        expect(all(profiles)).toEqual(all(whole));
        for (const { columns } of profiles) {
          const depths = columns.samples.locationOffset;
          for (let i = 0; i + 1 < depths.length; i++) expect(depths[i + 1]).toBeGreaterThan(depths[i]!);
          expect(columns.locations.lineOffset.at(-1)).toBe(columns.lines.function.length);
        }
      }),
      { numRuns: 200 },
    );
  });

  test('a tuple table numbers distinct tuples in order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(3), fc.nat(3), fc.constantFrom(0, 0xffff_ffff)), { maxLength: 200 }),
        tuples => {
          const table = new TupleTable(3, 1);
          const seen: string[] = [];
          for (const tuple of tuples) {
            const text = tuple.join();
            if (!seen.includes(text)) seen.push(text);
            expect(table.add(Uint32Array.from(tuple))).toBe(seen.indexOf(text));
          }
          expect(table.size).toBe(seen.length);
        },
      ),
    );
    const many = new TupleTable(1, 1);
    for (let i = 0; i < 10_000; i++) expect(many.add(Uint32Array.of(i * 7919))).toBe(i);
    expect(many.add(Uint32Array.of(7919))).toBe(1);
  });
});

test.each([
  [0, 'R'],
  [1, 'S'],
  [2, 'D'],
  [4, 'T'],
  [8, 't'],
  [0x40, 'P'],
  [0x82, 'D'],
])('state bits %i are %s', (bits, letter) => expect(stateLetter(bits)).toBe(letter));
