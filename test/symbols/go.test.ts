// SPDX-License-Identifier: Apache-2.0
// Names of Go code beside Go's own tools and Go's own runtime, with and without symbols, of several releases.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Symbolizer } from '../../src/agent/profiling/symbolizer/symbolizer.js';
import {
  type Frame,
  framesOf,
  functionsOf,
  offsetsOf,
  question,
  random,
  reasonOf,
  run,
  scratch,
} from './fixtures.js';
import {
  addr2line,
  asAddr2line,
  type Built,
  build,
  goAddresses,
  goText,
  KINDS,
  type Kind,
  ownFrames,
  RELEASES,
  withoutWrappers,
} from './go-programs.js';

const ADDRESSES = 3000;

const { folder, remove } = scratch();
let symbolizer: Symbolizer;

beforeAll(async () => {
  symbolizer = await Symbolizer.start();
});

afterAll(async () => {
  await symbolizer.close();
  remove();
});

async function framesAt(path: string, addresses: number[]): Promise<Frame[][]> {
  const symbols = await symbolizer.symbolize(question([{ path, at: offsetsOf(path, addresses) }]));
  return addresses.map((_, row) => framesOf(symbols, row));
}

const minor = (release: string): number => Number(release.split('.')[1]);

const programs = RELEASES.flatMap(release => (Object.keys(KINDS) as Kind[]).map(kind => ({ release, kind })));

function isLoaded(path: string, address: number): boolean {
  try {
    offsetsOf(path, [address]);
    return true;
  } catch {
    return false;
  }
}

/** Addresses in executable sections, but not from `start` to `end`. */
function codeOutside(path: string, start: number, end: number, count: number): number[] {
  const next = random(5);
  const sections = run('readelf', ['-SW', path]).matchAll(
    /PROGBITS +([0-9a-f]+) [0-9a-f]+ ([0-9a-f]+) \d+ +AX/g,
  );
  return [...sections].flatMap(([, address, size]) => {
    const [from, length] = [Number.parseInt(address!, 16), Number.parseInt(size!, 16)];
    return Array.from({ length: count }, () => from + Math.floor(next() * length)).filter(
      place => place < start || place >= end,
    );
  });
}

describe.each(programs)('Go $release, $kind', ({ release, kind }) => {
  let built: Built;
  let addresses: number[];

  // A release is fetched, and its library compiled, once on a machine.
  beforeAll(() => {
    built = build(folder, release, kind);
    addresses = goAddresses(built.full, ADDRESSES, minor(release));
  }, 900_000);

  it.each(['full', 'stripped'] as const)(
    'functions, files and lines are those of addr2line: %s',
    async variant => {
      const expected = addr2line(built.full, addresses);
      const own = (await framesAt(built[variant], addresses)).map(asAddr2line);
      const different = addresses.flatMap((address, row) =>
        own[row] === expected[row] ? [] : [`${address.toString(16)}: ${own[row]} is not ${expected[row]}`],
      );
      expect(different.slice(0, 5)).toEqual([]);
    },
  );

  it('inlined calls and generic functions are those of the runtime', async () => {
    const linked = Number(/LOAD\s+0x0+ (0x\w+)/.exec(run('readelf', ['-lW', built.stripped]))![1]);
    const runtime = ownFrames(built.stripped, linked, addresses);
    const frames = await framesAt(built.stripped, addresses);
    const different: { own: string[]; expected: string[] }[] = [];
    let inlined = 0;
    const starts = new Set(functionsOf(built.full).map(({ address }) => address));
    for (const [row, expected] of runtime.entries()) {
      // The runtime looks at the next address, which after the last byte of one function is the next one's, and has no
      // name for the first function of all.
      const last = frames[row]![0]!.line === 0 || starts.has(addresses[row]! + 1);
      if (last || expected[0]!.startsWith(' ')) continue;
      const own = withoutWrappers(frames[row]!);
      if (own.length > 1) inlined++;
      // Before Go 1.22 it tells of the innermost call only.
      if (minor(release) < 22) own.splice(1);
      if (own.join() !== expected.join()) different.push({ own, expected });
    }
    expect(different.slice(0, 5)).toEqual([]);
    expect(inlined).toBeGreaterThan(ADDRESSES / 10);
  });

  it('first lines of functions, from Go 1.20 on', async () => {
    const all = (await framesAt(built.stripped, addresses)).flat();
    const known = all.filter(({ file }) => file.endsWith('/main.go'));
    expect(known.length).toBeGreaterThan(0);
    for (const { line, startLine } of known) {
      if (minor(release) < 20) expect(startLine).toBe(0);
      else expect(line).toBeGreaterThanOrEqual(startLine);
    }
  });

  it('has names for Go code only', async () => {
    const [start, end] = goText(built.full);
    const inGo = ({ address }: { address: number }): boolean => address >= start && address < end;
    const c = functionsOf(built.full).filter(one => !inGo(one));
    if (kind === 'cgo' || kind === 'external') {
      const sorted = c.find(({ name }) => name === 'c_sorted')!;
      expect((await framesAt(built.full, [sorted.address]))[0]!.at(-1)!.name).toBe('c_sorted');
    } else {
      expect(c).toEqual([]);
    }
    // In a stripped file only what it exports has a name, up to its end; C code may lie elsewhere than in the other.
    const exported = functionsOf(built.stripped);
    const places = codeOutside(built.stripped, start, end, 500);
    const frames = await framesAt(built.stripped, places);
    for (const [row, place] of places.entries()) {
      const own = exported.find(({ address, size }) => place >= address && place < address + size);
      expect(frames[row]!.at(-1)?.systemName, place.toString(16)).toBe(own?.name.replace(/@.*/, ''));
    }
    // The linker pads the code: what follows the last function is nobody's, if the file has anything there.
    if (c.length > 0 || !isLoaded(built.stripped, end)) return;
    const past = question([{ path: built.stripped, at: offsetsOf(built.stripped, [end]) }]);
    expect(reasonOf(await symbolizer.symbolize(past), 0)).toBe('no_symbols');
  });
});
