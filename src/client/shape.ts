// SPDX-License-Identifier: Apache-2.0
// From what the sampler gives to what is sent: types as the server knows them from @pyroscope/nodejs and from the
// agent, frames as the agent names them, times that are right.
import { promisify } from 'node:util';
import { loadFormat, loadZlib, type Profile, type Sample, type ValueType } from './load.js';
import { IDLE, TICK, type TimeProfile } from './sampler.js';
import { shareOut } from './turns.js';

/** When something was sampled, Unix milliseconds. */
export interface Window {
  from: number;
  until: number;
}

export interface Shaped {
  /** `__name__`: process_cpu, wall, memory. */
  name: string;
  profile: Profile;
}

/** Columns of a time profile. */
const [COUNT, WALL, CPU] = [0, 1, 2];

/**
 * V8 names a function without a name by its line and column, which are others after every deploy; the agent names it by
 * its file. What runs while no JavaScript does is `(program)`: the sampler calls it idle and gives it no wall time.
 */
function renameFrames(profile: Profile): void {
  const { strings } = profile.stringTable;
  const program = profile.stringTable.dedup('(program)');
  for (const one of profile.function) {
    const name = strings[Number(one.name)] ?? '';
    if (name === IDLE) one.name = program;
    else if (name.startsWith('(anonymous')) {
      const file = strings[Number(one.filename)] ?? '';
      const base = file.slice(Math.max(file.lastIndexOf('/'), file.lastIndexOf('\\')) + 1);
      one.name = profile.stringTable.dedup(base === '' ? '(anonymous)' : `(anonymous ${base})`);
    } else continue;
    one.systemName = one.name;
  }
}

function setTimes(profile: Profile, { from, until }: Window): void {
  profile.timeNanos = BigInt(Math.round(from)) * 1_000_000n;
  profile.durationNanos = BigInt(Math.max(0, Math.round(until - from))) * 1_000_000n;
}

/** Gives every row the CPU time that its tick comes to, in place of the tick's number. */
function attribute({ profile, ticks }: TimeProfile): void {
  const place = profile.stringTable.dedup(TICK);
  const cpu = profile.sampleType.length > CPU! ? shareOut(ticks, Number(profile.period)) : null;
  for (const sample of profile.sample) {
    const at = sample.label.findIndex(({ key }) => key === place);
    if (at === -1) continue;
    const [tick] = sample.label.splice(at, 1);
    if (cpu !== null) sample.value[CPU!] = Math.round(cpu[Number(tick!.num)]!);
  }
}

/** Rows of one stack with the same labels become one: the sampler gives one for every time it saw them. */
function merged(samples: Sample[]): Sample[] {
  const rows: Sample[] = [];
  let stack: unknown = null;
  let known = new Map<string, Sample>();
  for (const sample of samples) {
    // Samples of one place in the tree come one after the other, and share its list of locations.
    if (sample.locationId !== stack) {
      stack = sample.locationId;
      known = new Map();
    }
    const key = sample.label.map(({ key, str }) => `${key}=${str}`).join();
    const row = known.get(key);
    if (row === undefined) {
      known.set(key, sample);
      rows.push(sample);
    } else row.value = row.value.map((value, column) => Number(value) + Number(sample.value[column]));
  }
  for (const { value } of rows) if (value[WALL!] === 0) value[COUNT!] = 0;
  return rows;
}

/** With columns of their own and all else shared. */
function columns(
  profile: Profile,
  rows: Sample[],
  which: number[],
  type: ValueType[],
  period: ValueType,
): Profile {
  const { Profile, Sample } = loadFormat();
  return new Profile({
    sampleType: type,
    sample: rows.map(
      ({ locationId, value, label }) =>
        new Sample({ locationId, label, value: which.map(column => value[column]!) }),
    ),
    mapping: profile.mapping,
    location: profile.location,
    function: profile.function,
    stringTable: profile.stringTable,
    timeNanos: profile.timeNanos,
    durationNanos: profile.durationNanos,
    periodType: period,
    period: profile.period,
    comment: profile.comment,
  });
}

/**
 * `process_cpu` has one column, as the agent's has. `wall` has those that @pyroscope/nodejs sends: samples, wall and,
 * where CPU is sampled, too, cpu.
 */
export function shapeTime(
  taken: TimeProfile,
  window: Window,
  wanted: { cpu: boolean; wall: boolean },
): Shaped[] {
  const { ValueType } = loadFormat();
  const { profile } = taken;
  attribute(taken);
  renameFrames(profile);
  setTimes(profile, window);
  const type = (name: string, unit: string) =>
    new ValueType({ type: profile.stringTable.dedup(name), unit: profile.stringTable.dedup(unit) });
  const rows = merged(profile.sample);
  const hasCpu = profile.sampleType.length > CPU!;
  const cpu = type('cpu', 'nanoseconds');
  const shaped: Shaped[] = [];
  if (wanted.cpu && hasCpu) {
    const busy = rows.filter(({ value }) => Number(value[CPU!]) > 0);
    shaped.push({ name: 'process_cpu', profile: columns(profile, busy, [CPU!], [cpu], cpu) });
  }
  if (wanted.wall) {
    const wall = type('wall', 'nanoseconds');
    const types = [type('samples', 'count'), wall];
    const which = [COUNT!, WALL!];
    if (wanted.cpu && hasCpu) {
      types.push(cpu);
      which.push(CPU!);
    }
    const seen = rows.filter(({ value }) =>
      which.some(column => column !== COUNT && Number(value[column]) > 0),
    );
    shaped.push({ name: 'wall', profile: columns(profile, seen, which, types, wall) });
  }
  return shaped;
}

export function shapeHeap(profile: Profile, window: Window): Shaped {
  renameFrames(profile);
  setTimes(profile, window);
  return { name: 'memory', profile };
}

/** pprof, gzipped off the main thread. */
export async function encode(profile: Profile): Promise<Buffer> {
  return promisify(loadZlib().gzip)(await profile.encodeAsync());
}
