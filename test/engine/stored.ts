// SPDX-License-Identifier: Apache-2.0
// Shortcuts from samples to what is stored, and a model of merging that is obviously right.
import { type Batch, encode, Merger, type SymbolWriter } from '#native/profile';
import { columnsOf, type MadeSample } from './columns.js';

export const pprofOf = (samples: MadeSample[], types?: string[]): Promise<Uint8Array> =>
  encode(columnsOf(samples, types));

/** Adds and commits. */
export async function written(writer: SymbolWriter, samples: MadeSample[], types?: string[]): Promise<Batch> {
  const batch = await writer.add(await pprofOf(samples, types));
  writer.commit(batch.ticket);
  return batch;
}

/** A merger with the first profile of each batch, in this order. */
export async function merged(
  batches: Batch[],
  options?: ConstructorParameters<typeof Merger>[0],
): Promise<Merger> {
  const merger = new Merger(options);
  for (const { segment } of batches) if (segment !== null) await merger.addSegment(segment.id, segment.bytes);
  const { damaged } = await merger.addProfiles(batches.flatMap(batch => batch.profiles.slice(0, 1)));
  if (damaged.length > 0) throw new Error(`damaged: ${damaged}`);
  return merger;
}

export const EXPORT = {
  reasons: true,
  sampleType: 'cpu',
  sampleUnit: 'nanoseconds',
  periodType: 'cpu',
  periodUnit: 'nanoseconds',
  period: 10_000_000n,
  timeNanos: 1n,
  durationNanos: 2n,
};

/** Sums of the values of equal (stack, labels), without those that are 0. */
export function model(samples: MadeSample[], withLabels: boolean): Map<string, bigint> {
  const sums = new Map<string, bigint>();
  for (const { stack, values, labels } of samples) {
    const sorted = Object.entries(labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
    const key = JSON.stringify([stack, withLabels ? sorted.map(([k, v]) => [k, typeof v, String(v)]) : []]);
    sums.set(key, (sums.get(key) ?? 0n) + values[0]!);
  }
  for (const [key, sum] of sums) if (sum === 0n) sums.delete(key);
  return sums;
}
