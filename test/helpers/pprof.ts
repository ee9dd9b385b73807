// SPDX-License-Identifier: Apache-2.0
// Reads what Stackwell writes with a decoder that is not ours.
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { Profile } from 'pprof-format';

export interface Frame {
  /** '' when the location has no name. */
  name: string;
  file: string;
  line: number;
  /** Path of the mapping, '' without one. */
  module: string;
}

export interface Sample {
  /** Leaf first; inlined frames are frames. */
  frames: Frame[];
  /** One for each type. */
  values: number[];
  labels: Record<string, string>;
}

export interface Decoded {
  /** `cpu/nanoseconds`, `offcpu/nanoseconds`, … */
  types: string[];
  samples: Sample[];
  durationSeconds: number;
  period: number;
  /** `stackwell.KEY value`, by KEY. */
  comments: Record<string, string>;
  buildIds: Record<string, string>;
}

export function decodePprof(bytes: Uint8Array): Decoded {
  const gzipped = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const profile = Profile.decode(gzipped ? gunzipSync(bytes) : bytes);
  const text = (index: number | bigint) => profile.stringTable.strings[Number(index)] ?? '';
  const functions = new Map(profile.function.map(f => [Number(f.id), f]));
  const modules = new Map(profile.mapping.map(m => [Number(m.id), text(m.filename)]));
  const locations = new Map(
    profile.location.map(location => {
      const module = modules.get(Number(location.mappingId)) ?? '';
      const frames: Frame[] = location.line.map(line => {
        const fn = functions.get(Number(line.functionId))!;
        return { name: text(fn.name), file: text(fn.filename), line: Number(line.line), module };
      });
      return [Number(location.id), frames.length > 0 ? frames : [{ name: '', file: '', line: 0, module }]];
    }),
  );
  return {
    types: profile.sampleType.map(type => `${text(type.type)}/${text(type.unit)}`),
    samples: profile.sample.map(sample => ({
      frames: sample.locationId.flatMap(id => locations.get(Number(id))!),
      values: sample.value.map(Number),
      labels: Object.fromEntries(sample.label.map(label => [text(label.key), text(label.str)])),
    })),
    durationSeconds: Number(profile.durationNanos) / 1e9,
    period: Number(profile.period),
    comments: Object.fromEntries(
      profile.comment
        .map(index => /^stackwell\.(\S+) (.*)$/.exec(text(index)))
        .flatMap(match => (match === null ? [] : [[match[1]!, match[2]!]])),
    ),
    buildIds: Object.fromEntries(profile.mapping.map(m => [text(m.filename), text(m.buildId)])),
  };
}

export const readPprof = (path: string): Decoded => decodePprof(readFileSync(path));

/** Seconds of one type (`cpu`, `offcpu`) in the samples that pass. */
export function secondsOf(
  profile: Decoded,
  type: string,
  passes: (sample: Sample) => boolean = () => true,
): number {
  const column = profile.types.indexOf(`${type}/nanoseconds`);
  if (column < 0) throw new Error(`no ${type} among ${profile.types.join(', ')}`);
  let sum = 0;
  for (const sample of profile.samples) if (passes(sample)) sum += sample.values[column]!;
  return sum / 1e9;
}

/** True for samples with this function anywhere in the stack. A pattern, because signatures follow C++ names. */
export const through =
  (name: RegExp) =>
  (sample: Sample): boolean =>
    sample.frames.some(frame => name.test(frame.name));
