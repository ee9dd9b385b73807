// SPDX-License-Identifier: Apache-2.0
// The fixture's samples as the pprof that an agent would send, written by an encoder that is not ours.
import {
  Function as Fn,
  Label,
  Line,
  Location,
  Mapping,
  Profile,
  Sample,
  StringTable,
  ValueType,
} from 'pprof-format';
import { parseType } from '../../src/profile/types.js';
import { FRAMES, type Sample as Made } from './fixture-data.js';

const SAMPLE_KEYS = ['pid', 'process_name', 'thread_name', 'phase'];

export interface Push {
  /** The `name` parameter of /ingest. */
  name: string;
  body: Buffer;
  total: number;
}

/** One push for each set of profile labels and type in a window of 10 s. */
export function pushesOf(samples: Made[], startMs: number): Push[] {
  const groups = new Map<string, { labels: Record<string, string>; type: string; samples: Made[] }>();
  for (const sample of samples) {
    const labels = Object.fromEntries(
      Object.entries(sample.labels).filter(([key]) => !SAMPLE_KEYS.includes(key)),
    );
    const key = JSON.stringify([sample.type, labels]);
    let group = groups.get(key);
    if (group === undefined) {
      group = { labels, type: sample.type, samples: [] };
      groups.set(key, group);
    }
    group.samples.push(sample);
  }
  return [...groups.values()].map(({ labels, type, samples: rows }) => {
    const { service_name: service, ...rest } = labels;
    const pairs = Object.entries({ ...rest, __name__: parseType(type)!.name }).map(
      ([key, value]) => `${key}=${value}`,
    );
    return {
      name: `${service}{${pairs.join(',')}}`,
      body: encode(rows, type, startMs),
      total: rows.reduce((sum, row) => sum + row.value, 0),
    };
  });
}

function encode(rows: Made[], type: string, startMs: number): Buffer {
  const { sampleType, sampleUnit } = parseType(type)!;
  const strings = new StringTable();
  const value = () => new ValueType({ type: strings.dedup(sampleType), unit: strings.dedup(sampleUnit) });
  const used = [...new Set(rows.flatMap(row => row.stack))];
  const modules = [...new Set(used.map(i => FRAMES[i]!.module))];
  const named = used.filter(i => FRAMES[i]!.reason === '');
  const unnamed = new Map<string, number[]>();
  const location = used.map((i, at) => {
    const { name, module, reason } = FRAMES[i]!;
    const id = at + 1;
    const offset = /0x([0-9a-f]+)$/.exec(name)?.[1];
    if (reason !== '') unnamed.set(reason, [...(unnamed.get(reason) ?? []), id]);
    return new Location({
      id,
      mappingId: modules.indexOf(module) + 1,
      address: reason === '' ? 0x1000 + at : BigInt(`0x${offset ?? '1000'}`),
      line: reason === '' ? [new Line({ functionId: named.indexOf(i) + 1, line: 10 + at })] : [],
    });
  });
  const comments = [
    'stackwell.clock cpu-clock',
    `stackwell.samples ${rows.length * 20}`,
    `stackwell.complete ${rows.length * 20 - 1}`,
    'stackwell.incomplete.depth 1',
    'stackwell.truncated 1',
    'stackwell.lost.ring_full 2',
    `stackwell.frames ${used.length * 5}`,
    `stackwell.named ${named.length * 5}`,
    ...[...unnamed].flatMap(([reason, ids]) => [
      `stackwell.unresolved.${reason} ${ids.length * 5}`,
      `stackwell.reason ${reason} ${ids.join(',')}`,
    ]),
  ];
  const profile = new Profile({
    sampleType: [value()],
    periodType: value(),
    period: 52_631_578,
    timeNanos: BigInt(startMs) * 1_000_000n,
    durationNanos: 10_000_000_000,
    stringTable: strings,
    comment: comments.map(text => strings.dedup(text)),
    mapping: modules.map(
      (module, i) =>
        new Mapping({
          id: i + 1,
          memoryLimit: 2n ** 63n - 1n,
          filename: strings.dedup(module.startsWith('[') ? module : `/usr/lib/${module}`),
        }),
    ),
    function: named.map((i, at) => {
      const { name, file } = FRAMES[i]!;
      return new Fn({ id: at + 1, name: strings.dedup(name), filename: strings.dedup(file) });
    }),
    location,
    sample: rows.map(
      row =>
        new Sample({
          locationId: [...row.stack].reverse().map(i => used.indexOf(i) + 1),
          value: [row.value],
          label: SAMPLE_KEYS.filter(key => row.labels[key] !== undefined).map(
            key => new Label({ key: strings.dedup(key), str: strings.dedup(row.labels[key]!) }),
          ),
        }),
    ),
  });
  return Buffer.from(profile.encode());
}
