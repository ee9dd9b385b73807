// SPDX-License-Identifier: Apache-2.0
// Small pprof profiles with a known sum, written by an encoder that is not ours.
import { createHash } from 'node:crypto';
import { Function as Fn, Line, Location, Profile, Sample, StringTable, ValueType } from 'pprof-format';

export interface Made {
  /** Distinct functions, one sample each. */
  functions?: number;
  /** Makes all names differ from those of other seeds. */
  seed?: number;
  /** Unix nanoseconds; now when absent. */
  timeNanos?: bigint;
  /** A sample that names a location that is not in the profile. */
  danglingLocation?: boolean;
  /** A sample with two values where there is one type. */
  extraValue?: boolean;
}

/** A CPU profile whose values add up to `nanoseconds`, uncompressed. */
export function madeProfile(nanoseconds: number, made: Made = {}): Buffer {
  const { functions = 3, seed = 0, danglingLocation = false, extraValue = false } = made;
  const strings = new StringTable();
  const cpu = () => new ValueType({ type: strings.dedup('cpu'), unit: strings.dedup('nanoseconds') });
  const ids = Array.from({ length: functions }, (_, i) => i + 1);
  const share = Math.floor(nanoseconds / functions);
  const name = (id: number) => `work_${createHash('sha256').update(`${seed} ${id}`).digest('hex')}`;
  const profile = new Profile({
    sampleType: [cpu()],
    periodType: cpu(),
    period: 10_000_000,
    timeNanos: made.timeNanos ?? BigInt(Date.now()) * 1_000_000n,
    durationNanos: 1_000_000_000,
    stringTable: strings,
    function: ids.map(id => new Fn({ id, name: strings.dedup(name(id)), filename: strings.dedup('work.c') })),
    location: ids.map(id => new Location({ id, line: [new Line({ functionId: id, line: id })] })),
    sample: ids.map(
      id =>
        new Sample({
          locationId: [danglingLocation && id === 1 ? functions + 7 : id],
          value: [
            id === 1 ? nanoseconds - share * (functions - 1) : share,
            ...(extraValue && id === 1 ? [1] : []),
          ],
        }),
    ),
  });
  return Buffer.from(profile.encode());
}
