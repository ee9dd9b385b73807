// SPDX-License-Identifier: Apache-2.0
// Others' readers and writers of pprof say what is right.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { Profile as PprofFormat } from 'pprof-format';
import protobuf from 'protobufjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decode, encode, Merger, type ProfileColumns, SymbolWriter } from '#native/profile';
import { goTop } from '../helpers/go-pprof.js';
import { arbitraryColumns } from './columns.js';
import { type GoProfiles, goProfiles } from './go-profiles.js';
import { EXPORT } from './stored.js';

const { root } = protobuf.parse(readFileSync(new URL('profile.proto', import.meta.url), 'utf8'), {
  keepCase: false,
});
const message = root.lookupType('perftools.profiles.Profile');

/** Columns as the object that protobufjs reads and writes, 64-bit numbers as strings. */
function asMessage(p: ProfileColumns): Record<string, unknown> {
  const list = <T>(n: number, make: (i: number) => T) => Array.from({ length: n }, (_, i) => make(i));
  const between = (offsets: Uint32Array, i: number) =>
    list(offsets[i + 1]! - offsets[i]!, j => offsets[i]! + j);
  const valueType = (t: { type: number; unit: number }) => ({ type: `${t.type}`, unit: `${t.unit}` });
  const types = p.sampleTypes.length;
  return {
    sampleType: p.sampleTypes.map(valueType),
    sample: list(p.samples.labelOffset.length - 1, i => ({
      locationId: between(p.samples.locationOffset, i).map(j => `${p.samples.location[j]! + 1}`),
      value: list(types, t => `${p.samples.values[i * types + t]}`),
      label: between(p.samples.labelOffset, i).map(j => ({
        key: `${p.labels.key[j]}`,
        str: `${p.labels.str[j]}`,
        num: `${p.labels.num[j]}`,
        numUnit: `${p.labels.numUnit[j]}`,
      })),
    })),
    mapping: list(p.mappings.start.length, i => ({
      id: `${i + 1}`,
      memoryStart: `${p.mappings.start[i]}`,
      memoryLimit: `${p.mappings.limit[i]}`,
      fileOffset: `${p.mappings.offset[i]}`,
      filename: `${p.mappings.filename[i]}`,
      buildId: `${p.mappings.buildId[i]}`,
      hasFunctions: (p.mappings.flags[i]! & 1) !== 0,
      hasFilenames: (p.mappings.flags[i]! & 2) !== 0,
      hasLineNumbers: (p.mappings.flags[i]! & 4) !== 0,
      hasInlineFrames: (p.mappings.flags[i]! & 8) !== 0,
    })),
    location: list(p.locations.address.length, i => ({
      id: `${i + 1}`,
      mappingId: `${p.locations.mapping[i]! + 1}`,
      address: `${p.locations.address[i]}`,
      line: between(p.locations.lineOffset, i).map(j => ({
        functionId: `${p.lines.function[j]! + 1}`,
        line: `${p.lines.line[j]}`,
        column: `${p.lines.column[j]}`,
      })),
      isFolded: p.locations.isFolded[i] === 1,
    })),
    function: list(p.functions.name.length, i => ({
      id: `${i + 1}`,
      name: `${p.functions.name[i]}`,
      systemName: `${p.functions.systemName[i]}`,
      filename: `${p.functions.filename[i]}`,
      startLine: `${p.functions.startLine[i]}`,
    })),
    stringTable: p.strings,
    dropFrames: `${p.dropFrames}`,
    keepFrames: `${p.keepFrames}`,
    timeNanos: `${p.timeNanos}`,
    durationNanos: `${p.durationNanos}`,
    periodType: p.periodType && valueType(p.periodType),
    period: `${p.period}`,
    comment: [...p.comments].map(String),
    defaultSampleType: `${p.defaultSampleType}`,
    docUrl: `${p.docUrl}`,
  };
}

describe('protobufjs', () => {
  it('reads what we write', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryColumns, async columns => {
        const read = message.decode(await encode(columns, { gzipLevel: 0 }));
        expect(message.toObject(read, { longs: String, defaults: true })).toEqual(asMessage(columns));
      }),
      { numRuns: 200 },
    );
  });

  it('writes what we read', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryColumns, async columns => {
        const written = message.encode(message.fromObject(asMessage(columns))).finish();
        expect(await decode(new Uint8Array(written))).toEqual(columns);
      }),
      { numRuns: 200 },
    );
  });

  it('agrees about real profiles', async () => {
    for (const data of Object.values(goProfiles())) {
      const read = message.toObject(message.decode(gunzipSync(data)), { longs: String, defaults: true });
      const ours = asMessage(await decode(data));
      // Go writes ids that count from 1, in the order of rows, for locations; functions and mappings likewise.
      expect(ours).toEqual(read);
    }
  });
});

describe('pprof-format', () => {
  it('agrees about real profiles', async () => {
    for (const data of Object.values(goProfiles())) {
      const theirs = PprofFormat.decode(gunzipSync(data));
      const ours = await decode(data);
      expect(ours.strings).toEqual(theirs.stringTable.strings);
      const values = theirs.sample.flatMap(s => s.value.map(BigInt));
      expect([...ours.samples.values]).toEqual(values);
      const stacks = theirs.sample.map(s => s.locationId.length);
      expect(stacks).toEqual(
        Array.from(stacks, (_, i) => ours.samples.locationOffset[i + 1]! - ours.samples.locationOffset[i]!),
      );
    }
  });
});

describe('go tool pprof', () => {
  let folder: string;
  let profiles: GoProfiles;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'stackwell-engine-'));
    profiles = goProfiles();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const raw = (data: Uint8Array) => {
    const file = join(folder, 'raw.pb.gz');
    writeFileSync(file, data);
    return execFileSync('go', ['tool', 'pprof', '-symbolize=none', '-raw', file], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    });
  };

  it('reads the same from what we decoded and encoded again', async () => {
    for (const data of Object.values(profiles)) {
      const again = await encode(await decode(data), { gzipLevel: 6 });
      const expected = raw(data);
      expect(expected).toContain('Locations');
      expect(raw(again)).toBe(expected);
    }
  });

  it.each(['cpu', 'heap'] as const)('has the same top as the merged %s profile and as ours', async kind => {
    const writer = new SymbolWriter();
    const batch = await writer.add(profiles[kind]);
    const merger = new Merger();
    await merger.addSegment(batch.segment!.id, batch.segment!.bytes);
    const last = batch.profiles.at(-1)!;
    await merger.addProfiles([last]);
    const [original, stored] = [join(folder, 'original'), join(folder, 'stored')];
    writeFileSync(original, profiles[kind]);
    // A type of time, so that pprof prints numbers in one unit.
    writeFileSync(stored, await merger.pprof(EXPORT));
    const top = await merger.top();
    const ours = new Map<string, { flat: number; cum: number }>();
    top.functions.name.forEach((name, i) => {
      const seen = ours.get(name) ?? { flat: 0, cum: 0 };
      ours.set(name, { flat: seen.flat + top.self[i]!, cum: seen.cum + top.total[i]! });
    });
    const theirs = goTop(stored);
    expect(theirs.rows.size).toBeGreaterThan(3);
    expect(theirs.total).toBe(Number(last.total));
    expect([...theirs.rows].sort()).toEqual([...ours].sort());
    if (kind === 'cpu') expect(goTop(original)).toEqual(theirs);
  });
});
