// SPDX-License-Identifier: Apache-2.0
// Stacks of a pprof that begin at a call site, or as the Go compiler wants them for profile-guided optimization.
import { decode, encode, Merger, type ProfileColumns } from '#native/profile';
import { parseType } from '../../profile/types.js';
import type { Question } from '../query/question.js';

export interface StackSelector {
  /** Root first; empty for all. */
  callSite: string[];
  goPgo: { keepLocations: number; aggregateCallees: boolean } | null;
}

/** Uncompressed; all of `pprof` (gzipped) is taken in, and what becomes equal is summed. */
export async function selectStacks(
  pprof: Uint8Array,
  { callSite, goPgo }: StackSelector,
  { type }: Question,
): Promise<Uint8Array> {
  const profile = await decode(pprof);
  const chosen = goPgo === null ? beginning(profile, callSite) : leaves(profile, goPgo);
  const merger = new Merger({ sampleLabels: false });
  await merger.addPprof(await encode(chosen, { gzipLevel: 0 }));
  const { sampleType, sampleUnit, periodType, periodUnit } = parseType(type)!;
  const { period, timeNanos, durationNanos, comments, strings } = profile;
  return merger.pprof({
    ...{ sampleType, sampleUnit, periodType, periodUnit, period, timeNanos, durationNanos },
    comments: Array.from(comments, row => strings[row]!),
  });
}

/** Only samples whose outermost functions have these names. */
function beginning(profile: ProfileColumns, callSite: string[]): ProfileColumns {
  const { samples, locations, lines, functions, strings } = profile;
  const begins = (sample: number): boolean => {
    let matched = 0;
    for (let at = samples.locationOffset[sample + 1]! - 1; at >= samples.locationOffset[sample]!; at--) {
      const location = samples.location[at]!;
      const [first, end] = [locations.lineOffset[location]!, locations.lineOffset[location + 1]!];
      for (let line = end - 1; line >= first; line--) {
        if (strings[functions.name[lines.function[line]!]!] !== callSite[matched]) return false;
        if (++matched === callSite.length) return true;
      }
      // A place without a name is a frame, too.
      if (first === end) return false;
    }
    return false;
  };
  const count = samples.locationOffset.length - 1;
  return withStacks(profile, Array.from({ length: count }, (_, sample) => sample).filter(begins), sample =>
    samples.location.subarray(samples.locationOffset[sample], samples.locationOffset[sample + 1]),
  );
}

/** The innermost locations of each stack; of the leaf the function counts and not the line. */
function leaves(
  profile: ProfileColumns,
  { keepLocations, aggregateCallees }: NonNullable<StackSelector['goPgo']>,
): ProfileColumns {
  const { samples, locations, lines } = profile;
  const count = samples.locationOffset.length - 1;
  const stackOf = (sample: number) => {
    const first = samples.locationOffset[sample]!;
    return samples.location.slice(
      first,
      Math.min(samples.locationOffset[sample + 1]!, keepLocations > 0 ? first + keepLocations : Infinity),
    );
  };
  const all = Array.from({ length: count }, (_, sample) => sample);
  if (!aggregateCallees) return withStacks(profile, all, stackOf);
  // Leaves get locations of their own, for in other stacks the same place is a caller whose line counts.
  const total = locations.address.length;
  const twice = <T extends Int32Array | BigUint64Array | Uint8Array>(column: T): T => {
    const out = new (column.constructor as new (length: number) => T)(total * 2);
    out.set(column as never);
    out.set(column as never, total);
    return out;
  };
  const lineCount = lines.line.length;
  const lineOffset = new Uint32Array(total * 2 + 1);
  lineOffset.set(locations.lineOffset);
  for (let row = 1; row <= total; row++) lineOffset[total + row] = lineCount + locations.lineOffset[row]!;
  const doubled = <T extends Int32Array | BigInt64Array>(column: T, clear: boolean): T => {
    const out = new (column.constructor as new (length: number) => T)(lineCount * 2);
    out.set(column as never);
    if (!clear) out.set(column as never, lineCount);
    return out;
  };
  const line = doubled(lines.line, false);
  // Of inlined calls only the innermost one is the leaf.
  for (let row = 0; row < total; row++)
    if (locations.lineOffset[row]! < locations.lineOffset[row + 1]!)
      line[lineCount + locations.lineOffset[row]!] = 0n;
  const address = twice(locations.address);
  const merged: ProfileColumns = {
    ...profile,
    locations: {
      mapping: twice(locations.mapping),
      // Equal functions at different addresses are one leaf.
      address: address.fill(0n, total),
      isFolded: twice(locations.isFolded),
      lineOffset,
    },
    lines: { function: doubled(lines.function, false), line, column: doubled(lines.column, true) },
  };
  return withStacks(merged, all, sample => {
    const stack = stackOf(sample);
    if (stack.length > 0 && locations.lineOffset[stack[0]!]! < locations.lineOffset[stack[0]! + 1]!)
      stack[0]! += total;
    return stack;
  });
}

function withStacks(
  profile: ProfileColumns,
  kept: number[],
  stackOf: (sample: number) => Uint32Array,
): ProfileColumns {
  const { samples, sampleTypes } = profile;
  const width = sampleTypes.length;
  const stacks = kept.map(stackOf);
  const locationOffset = new Uint32Array(kept.length + 1);
  stacks.forEach((stack, row) => {
    locationOffset[row + 1] = locationOffset[row]! + stack.length;
  });
  const location = new Uint32Array(locationOffset[kept.length]!);
  const values = new BigInt64Array(kept.length * width);
  kept.forEach((sample, row) => {
    location.set(stacks[row]!, locationOffset[row]);
    values.set(samples.values.subarray(sample * width, (sample + 1) * width), row * width);
  });
  return {
    ...profile,
    samples: { locationOffset, location, values, labelOffset: new Uint32Array(kept.length + 1) },
    labels: {
      key: new Uint32Array(0),
      str: new Uint32Array(0),
      num: new BigInt64Array(0),
      numUnit: new Uint32Array(0),
    },
  };
}
