// SPDX-License-Identifier: Apache-2.0
// The vocabulary that agent, server and page share.

/** `name:sampleType:sampleUnit:periodType:periodUnit`, e.g. `process_cpu:cpu:nanoseconds:cpu:nanoseconds`. */
export interface ProfileType {
  name: string;
  sampleType: string;
  sampleUnit: string;
  periodType: string;
  periodUnit: string;
}

export const ON_CPU = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';
export const OFF_CPU = 'process_offcpu:offcpu:nanoseconds:offcpu:nanoseconds';

export function formatType(type: ProfileType): string {
  return [type.name, type.sampleType, type.sampleUnit, type.periodType, type.periodUnit].join(':');
}

/** Null when it is not five parts. */
export function parseType(id: string): ProfileType | null {
  const parts = id.split(':');
  if (parts.length !== 5 || parts.some(part => part === '')) return null;
  const [name, sampleType, sampleUnit, periodType, periodUnit] = parts as [
    string,
    string,
    string,
    string,
    string,
  ];
  return { name, sampleType, sampleUnit, periodType, periodUnit };
}

const SNAPSHOTS = new Set(['inuse_space', 'inuse_objects', 'space', 'objects', 'goroutine', 'goroutines']);

/**
 * Whether values of this type are what there was at a moment, and not what was added in a window: memory in use,
 * goroutines. Their sum over profiles means something only beside the number of profiles.
 */
export function isSnapshot(id: string): boolean {
  return SNAPSHOTS.has(parseType(id)?.sampleType ?? '');
}

/** Labels of a profile: names as Prometheus writes them. Always kept sorted by name when hashed or stored. */
export type Labels = Record<string, string>;

/** Labels that a row of a profile can carry, not the profile as a whole. A matcher on one of these selects rows. */
export const SAMPLE_LABELS = [
  'pid',
  'process_name',
  'thread_id',
  'thread_name',
  'phase',
  'state',
  'trace_id',
  'span_id',
  'waker',
] as const;

/**
 * Of those, and of what clients send, the ones with a value for each request: OpenTelemetry's ids, and what Pyroscope's
 * clients call a span's. Rollups are without them, or they would be as large as what they are made of.
 */
export const REQUEST_LABELS = ['trace_id', 'span_id', 'profile_id'] as const;

export function isOfRequest(name: string): boolean {
  return (REQUEST_LABELS as readonly string[]).includes(name);
}

/** Why a frame has no name. Travels in pprof comments, see `docs/pprof.md`. */
export const REASONS = [
  'no_symbols',
  'unmapped',
  'unwind_failed',
  'jit_unknown',
  'process_gone',
  'file_gone',
  'file_damaged',
  'file_too_large',
  'symbolizer_busy',
] as const;
export type Reason = (typeof REASONS)[number];

/** How the user part of a stack ends; in the order of `enum sw_end` (bpf/profile/sample.h). */
export const STACK_ENDS = [
  'root', // complete: main, a thread's start, a goroutine's
  'no_user', // a kernel thread: there is none
  'depth', // deeper than what is kept
  'no_table', // code without unwind information, or whose table is not there yet
  'unsupported', // unwind information that the tables cannot express
  'unreadable', // stack memory could not be read
  'unmapped', // a return address that is not code: the chain was broken
  'jit', // code made at run time, of an unknown runtime, without frame pointers
  'runtime', // a runtime's own structures could not be followed
  'not_taken', // nothing could be taken at all
] as const;
export type StackEnd = (typeof STACK_ENDS)[number];

export interface Matcher {
  name: string;
  op: '=' | '!=' | '=~' | '!~';
  value: string;
}
