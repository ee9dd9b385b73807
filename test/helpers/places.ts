// SPDX-License-Identifier: Apache-2.0
// Profiles whose stacks go through places in a file that no one could name.
import type { ProfileColumns } from '#native/profile';

export interface Place {
  /** Function when it has a name. */
  name?: string;
  /** File offset when it has none. */
  offset?: number;
  reason?: string;
}
export interface Stack {
  /** Leaf first. */
  places: Place[];
  value: bigint;
  pid?: string;
}

/** Where the file was mapped; as the agent says it when absent. */
export interface Where {
  start?: bigint;
  limit?: bigint;
  offset?: bigint;
}

/** All places are in one file. */
export function columnsOfPlaces(
  stacks: Stack[],
  file: Where & { buildId: string; file: string; time?: number; comments?: string[] },
): ProfileColumns {
  const { start = 0n, limit = 1n << 63n, offset: fileOffset = 0n } = file;
  const strings = new Map([['', 0]]);
  const text = (s: string) => {
    if (!strings.has(s)) strings.set(s, strings.size);
    return strings.get(s)!;
  };
  const keys = new Map<string, Place>();
  const keyOf = (place: Place) => JSON.stringify(place);
  for (const { places } of stacks) for (const place of places) keys.set(keyOf(place), place);
  const rows = [...keys.values()];
  const row = new Map([...keys.keys()].map((key, index) => [key, index]));
  const names = rows.flatMap(({ name }) => (name === undefined ? [] : [name]));
  const offsets = (lengths: number[]) => {
    let sum = 0;
    return Uint32Array.from([0, ...lengths.map(length => (sum += length))]);
  };
  const reasons = new Map<string, number[]>();
  rows.forEach(({ reason }, index) => {
    if (reason !== undefined && reason !== '')
      reasons.set(reason, [...(reasons.get(reason) ?? []), index + 1]);
  });
  const result: Omit<ProfileColumns, 'strings'> = {
    sampleTypes: [{ type: text('cpu'), unit: text('nanoseconds') }],
    periodType: { type: text('cpu'), unit: text('nanoseconds') },
    period: 1n,
    timeNanos: BigInt(file.time ?? 0) * 1_000_000n,
    durationNanos: 1_000_000_000n,
    comments: Uint32Array.from(
      [
        ...(file.comments ?? []),
        ...[...reasons].map(([reason, ids]) => `stackwell.reason ${reason} ${ids.join(',')}`),
      ],
      text,
    ),
    defaultSampleType: 0,
    dropFrames: 0,
    keepFrames: 0,
    docUrl: 0,
    mappings: {
      start: BigUint64Array.of(start),
      limit: BigUint64Array.of(limit),
      offset: BigUint64Array.of(fileOffset),
      filename: Uint32Array.of(text(file.file)),
      buildId: Uint32Array.of(text(file.buildId)),
      flags: Uint8Array.of(0),
    },
    functions: {
      name: Uint32Array.from(names, text),
      systemName: Uint32Array.from(names, text),
      filename: new Uint32Array(names.length),
      startLine: new BigInt64Array(names.length),
    },
    locations: {
      mapping: new Int32Array(rows.length),
      address: BigUint64Array.from(rows, ({ offset }) => start + BigInt(offset ?? 0)),
      isFolded: new Uint8Array(rows.length),
      lineOffset: offsets(rows.map(({ name }) => (name === undefined ? 0 : 1))),
    },
    lines: {
      function: Int32Array.from(names.keys()),
      line: new BigInt64Array(names.length),
      column: new BigInt64Array(names.length),
    },
    samples: {
      locationOffset: offsets(stacks.map(({ places }) => places.length)),
      location: Uint32Array.from(stacks.flatMap(({ places }) => places.map(place => row.get(keyOf(place))!))),
      values: BigInt64Array.from(stacks, ({ value }) => value),
      labelOffset: offsets(stacks.map(({ pid }) => (pid === undefined ? 0 : 1))),
    },
    labels: (() => {
      const pids = stacks.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
      return {
        key: Uint32Array.from(pids, () => text('pid')),
        str: Uint32Array.from(pids, text),
        num: new BigInt64Array(pids.length),
        numUnit: new Uint32Array(pids.length),
      };
    })(),
  };
  return { ...result, strings: [...strings.keys()] };
}
