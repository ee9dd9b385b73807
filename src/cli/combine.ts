// SPDX-License-Identifier: Apache-2.0
import type { ProfileColumns } from '#native/profile';

/**
 * One profile with the sample types of all: a sample keeps its value in its own type's column and has 0 in the others,
 * so `go tool pprof -sample_index=offcpu` reads it.
 */
export function combineTypes(profiles: ProfileColumns[]): ProfileColumns {
  const first = profiles[0]!;
  if (profiles.length === 1) return first;
  const strings: string[] = [''];
  const index = new Map<string, number>([['', 0]]);
  const intern = (text: string) => {
    let row = index.get(text);
    if (row === undefined) {
      row = strings.push(text) - 1;
      index.set(text, row);
    }
    return row;
  };
  const width = profiles.reduce((sum, profile) => sum + profile.sampleTypes.length, 0);
  const total = (count: (profile: ProfileColumns) => number) =>
    profiles.reduce((sum, one) => sum + count(one), 0);
  const rows = {
    mappings: total(p => p.mappings.start.length),
    functions: total(p => p.functions.name.length),
    locations: total(p => p.locations.address.length),
    lines: total(p => p.lines.line.length),
    samples: total(p => p.samples.locationOffset.length - 1),
    stack: total(p => p.samples.location.length),
    labels: total(p => p.labels.key.length),
  };
  const out: ProfileColumns = {
    strings,
    sampleTypes: [],
    periodType: null,
    period: first.period,
    timeNanos: profiles.reduce((least, p) => (p.timeNanos < least ? p.timeNanos : least), first.timeNanos),
    durationNanos: profiles.reduce(
      (most, p) => (p.durationNanos > most ? p.durationNanos : most),
      first.durationNanos,
    ),
    comments: new Uint32Array(0),
    defaultSampleType: 0,
    dropFrames: 0,
    keepFrames: 0,
    docUrl: 0,
    mappings: {
      start: new BigUint64Array(rows.mappings),
      limit: new BigUint64Array(rows.mappings),
      offset: new BigUint64Array(rows.mappings),
      filename: new Uint32Array(rows.mappings),
      buildId: new Uint32Array(rows.mappings),
      flags: new Uint8Array(rows.mappings),
    },
    functions: {
      name: new Uint32Array(rows.functions),
      systemName: new Uint32Array(rows.functions),
      filename: new Uint32Array(rows.functions),
      startLine: new BigInt64Array(rows.functions),
    },
    locations: {
      mapping: new Int32Array(rows.locations),
      address: new BigUint64Array(rows.locations),
      isFolded: new Uint8Array(rows.locations),
      lineOffset: new Uint32Array(rows.locations + 1),
    },
    lines: {
      function: new Int32Array(rows.lines),
      line: new BigInt64Array(rows.lines),
      column: new BigInt64Array(rows.lines),
    },
    samples: {
      locationOffset: new Uint32Array(rows.samples + 1),
      location: new Uint32Array(rows.stack),
      values: new BigInt64Array(rows.samples * width),
      labelOffset: new Uint32Array(rows.samples + 1),
    },
    labels: {
      key: new Uint32Array(rows.labels),
      str: new Uint32Array(rows.labels),
      num: new BigInt64Array(rows.labels),
      numUnit: new Uint32Array(rows.labels),
    },
  };
  const comments: number[] = [];
  const at = { mappings: 0, functions: 0, locations: 0, lines: 0, samples: 0, stack: 0, labels: 0, types: 0 };
  for (const p of profiles) {
    const moved = p.strings.map(intern);
    const string = (source: Uint32Array, target: Uint32Array, offset: number) => {
      for (let i = 0; i < source.length; i++) target[offset + i] = moved[source[i]!]!;
    };
    const shift = (
      source: ArrayLike<number>,
      target: { [i: number]: number },
      offset: number,
      by: number,
    ) => {
      for (let i = 0; i < source.length; i++) target[offset + i] = source[i]! < 0 ? -1 : source[i]! + by;
    };
    for (const type of p.sampleTypes)
      out.sampleTypes.push({ type: moved[type.type]!, unit: moved[type.unit]! });
    if (p === first && p.periodType !== null)
      out.periodType = { type: moved[p.periodType.type]!, unit: moved[p.periodType.unit]! };
    out.mappings.start.set(p.mappings.start, at.mappings);
    out.mappings.limit.set(p.mappings.limit, at.mappings);
    out.mappings.offset.set(p.mappings.offset, at.mappings);
    string(p.mappings.filename, out.mappings.filename, at.mappings);
    string(p.mappings.buildId, out.mappings.buildId, at.mappings);
    out.mappings.flags.set(p.mappings.flags, at.mappings);
    string(p.functions.name, out.functions.name, at.functions);
    string(p.functions.systemName, out.functions.systemName, at.functions);
    string(p.functions.filename, out.functions.filename, at.functions);
    out.functions.startLine.set(p.functions.startLine, at.functions);
    shift(p.locations.mapping, out.locations.mapping, at.locations, at.mappings);
    out.locations.address.set(p.locations.address, at.locations);
    out.locations.isFolded.set(p.locations.isFolded, at.locations);
    shift(p.locations.lineOffset, out.locations.lineOffset, at.locations, at.lines);
    shift(p.lines.function, out.lines.function, at.lines, at.functions);
    out.lines.line.set(p.lines.line, at.lines);
    out.lines.column.set(p.lines.column, at.lines);
    shift(p.samples.locationOffset, out.samples.locationOffset, at.samples, at.stack);
    shift(p.samples.location, out.samples.location, at.stack, at.locations);
    shift(p.samples.labelOffset, out.samples.labelOffset, at.samples, at.labels);
    const samples = p.samples.locationOffset.length - 1;
    const own = p.sampleTypes.length;
    for (let i = 0; i < samples; i++)
      for (let k = 0; k < own; k++)
        out.samples.values[(at.samples + i) * width + at.types + k] = p.samples.values[i * own + k]!;
    string(p.labels.key, out.labels.key, at.labels);
    string(p.labels.str, out.labels.str, at.labels);
    out.labels.num.set(p.labels.num, at.labels);
    string(p.labels.numUnit, out.labels.numUnit, at.labels);
    for (const comment of p.comments) comments.push(moved[comment]!);
    at.mappings += p.mappings.start.length;
    at.functions += p.functions.name.length;
    at.locations += p.locations.address.length;
    at.lines += p.lines.line.length;
    at.samples += samples;
    at.stack += p.samples.location.length;
    at.labels += p.labels.key.length;
    at.types += own;
  }
  out.comments = Uint32Array.from(comments);
  return out;
}
