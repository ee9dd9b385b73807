// SPDX-License-Identifier: Apache-2.0
// What counts of /ingest are that are no pprof: the name ends with it (`app.alloc_space`), else the unit says it.
import type { StackType } from '#native/profile';
import { StackwellError } from '../../errors.js';

interface Kind {
  /** Of the profile type. */
  name: string;
  sampleType: string;
  sampleUnit: string;
  period?: [type: string, unit: string];
  /** Counts are samples at a rate, and become the time that they stand for. */
  sampled?: true;
}

const ON_CPU: Kind = {
  name: 'process_cpu',
  sampleType: 'cpu',
  sampleUnit: 'nanoseconds',
  period: ['cpu', 'nanoseconds'],
  sampled: true,
};
const WALL: Kind = { ...ON_CPU, name: 'wall', sampleType: 'wall' };

/** Period types are those of Go's own profiles, so that both compare. */
function memory(sampleType: string, sampleUnit: string): Kind {
  return { name: 'memory', sampleType, sampleUnit, period: ['space', 'bytes'] };
}
function waits(name: string, sampleType: string, sampleUnit: string): Kind {
  return { name, sampleType, sampleUnit, period: ['contentions', 'count'] };
}

/** Endings of the name that clients use. */
const KINDS: Record<string, Kind> = {
  cpu: ON_CPU,
  itimer: ON_CPU,
  wall: WALL,
  alloc_objects: memory('alloc_objects', 'count'),
  alloc_space: memory('alloc_space', 'bytes'),
  inuse_objects: memory('inuse_objects', 'count'),
  inuse_space: memory('inuse_space', 'bytes'),
  alloc_in_new_tlab_objects: memory('alloc_in_new_tlab_objects', 'count'),
  alloc_in_new_tlab_bytes: memory('alloc_in_new_tlab_bytes', 'bytes'),
  alloc_outside_tlab_objects: memory('alloc_outside_tlab_objects', 'count'),
  alloc_outside_tlab_bytes: memory('alloc_outside_tlab_bytes', 'bytes'),
  live: memory('live', 'count'),
  goroutines: { name: 'goroutine', sampleType: 'goroutine', sampleUnit: 'count' },
  mutex_count: waits('mutex', 'contentions', 'count'),
  mutex_duration: waits('mutex', 'delay', 'nanoseconds'),
  block_count: waits('block', 'contentions', 'count'),
  block_duration: waits('block', 'delay', 'nanoseconds'),
  lock_count: waits('block', 'contentions', 'count'),
  lock_duration: waits('block', 'delay', 'nanoseconds'),
  exceptions: { name: 'exceptions', sampleType: 'samples', sampleUnit: 'count' },
};

/** By the parameter `units`, of a name that ends with none of these. */
const KIND_OF_UNITS: Record<string, string> = {
  samples: 'cpu',
  objects: 'alloc_objects',
  bytes: 'alloc_space',
  goroutines: 'goroutines',
  lock_samples: 'mutex_count',
  lock_nanoseconds: 'mutex_duration',
  exceptions: 'exceptions',
};

const DEFAULT_RATE = 100;
const MAX_RATE = 1_000_000_000;

export interface Stacks {
  /** The name without its ending. */
  app: string;
  name: string;
  type: StackType;
}

/** @throws SW_REQUEST_INVALID for units or a rate that are none */
export function stacksOf(
  app: string,
  said: { [parameter in 'units' | 'sampleRate' | 'aggregationType']?: string | undefined },
): Stacks {
  const { units, sampleRate, aggregationType } = said;
  const dot = app.lastIndexOf('.');
  const ending = app.slice(dot + 1);
  const named = dot > 0 && Object.hasOwn(KINDS, ending);
  let key = named ? ending : (units ?? 'samples');
  if (!named) {
    if (!Object.hasOwn(KIND_OF_UNITS, key))
      throw invalid(`units: ${JSON.stringify(key)} is none of ${Object.keys(KIND_OF_UNITS).join(', ')}`);
    key = KIND_OF_UNITS[key]!;
    // What is an average over time is there all the time.
    if (aggregationType === 'avg' || aggregationType === 'average') key = key.replace(/^alloc_/, 'inuse_');
  }
  const kind = KINDS[key]!;
  const step = kind.sampled ? BigInt(Math.round(1e9 / rateOf(sampleRate))) : 1n;
  const [periodType, periodUnit] = kind.period ?? ['', ''];
  return {
    app: named ? app.slice(0, dot) : app,
    name: kind.name,
    type: {
      sampleType: kind.sampleType,
      sampleUnit: kind.sampleUnit,
      periodType,
      periodUnit,
      period: kind.sampled ? step : 0n,
      scale: step,
    },
  };
}

function rateOf(text: string | undefined): number {
  if (text === undefined || text === '') return DEFAULT_RATE;
  const rate = Number(text);
  if (!/^\d+$/.test(text) || rate < 1 || rate > MAX_RATE)
    throw invalid(`sampleRate: ${JSON.stringify(text)} is no number of samples per second`);
  return rate;
}

function invalid(reason: string): StackwellError {
  return new StackwellError('SW_REQUEST_INVALID', { reason });
}
