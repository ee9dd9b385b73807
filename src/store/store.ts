// SPDX-License-Identifier: Apache-2.0
// What a store must do. Merging, diffing and rendering stand above it and are the same for every store.
import type { Coverage } from '../profile/coverage.js';
import type { Labels, Matcher } from '../profile/types.js';

/** Symbols of one service and UTC day: content-addressed, immutable, written once. */
export interface Segment {
  /** Hex of a 128-bit hash of the content. */
  id: string;
  service: string;
  /** YYYY-MM-DD, UTC. */
  day: string;
  bytes: Uint8Array;
}

/** One scope, one type, one window. */
export interface ProfileRecord {
  /** Chosen by the writer: the same id is stored once, however often it is sent. */
  id: string;
  /** Type id, five parts. */
  type: string;
  labels: Labels;
  /** Distinct values of sample labels (pid, thread_name, …), bounded by the writer. */
  facets: Record<string, string[]>;
  /** Names of facets that have more values than are listed: absence from the list proves nothing then. */
  facetsOmitted: string[];
  /** Unix milliseconds. */
  start: number;
  /** Milliseconds. */
  duration: number;
  period: bigint;
  /** Sum of the values, in units of the sample type; within 64 bits, signed. */
  total: bigint;
  /** Seconds that one profile of this rollup level covers; 0 is a window as it came in. */
  level: number;
  /** Segments that `rows` points into, by position. */
  segments: string[];
  rows: Uint8Array;
  stats: ProfileStats;
}

/** Nothing is lost in silence: what the agent could not take or name, by cause. */
export interface ProfileStats extends Coverage {
  /** Clock that drove the samples, e.g. cpu-clock. */
  clock: string;
}

export interface Selection {
  /** Type id; every type when absent. */
  type?: string;
  /** On profile labels: exact. A label that a profile does not have matches as ''. */
  matchers: Matcher[];
  /** On sample labels: the store may leave out profiles that cannot have a row that matches; rows are filtered above. */
  sampleMatchers?: Matcher[];
  /** Unix milliseconds, half open: profiles with from <= start < until. */
  from: number;
  until: number;
  /** Rollup level; 0 when absent. */
  level?: number;
}

export interface Series {
  labels: Labels;
  /** Start of each bucket, Unix milliseconds, and the sum in it. Buckets without profiles are left out. */
  times: number[];
  totals: bigint[];
  profiles: number;
}

export interface LabelNames {
  /** Labels of profiles, sorted. */
  profile: string[];
  /** Facets, sorted. */
  sample: string[];
}

export interface LabelValues {
  /** Sorted; values of facets may come from up to ten minutes beside the range. */
  values: string[];
  /** How many did not fit in the limit. */
  omitted: number;
  /** False when a writer listed only some of the values. */
  complete: boolean;
}

export interface Retention {
  /** Milliseconds to keep, by level. A level that is not named is kept. */
  maxAge: Record<number, number>;
  /** Bytes on disk in all; the oldest hour goes first. 0 = no limit. */
  maxBytes: number;
}

export interface StoreStats {
  profiles: number;
  segments: number;
  series: number;
  /** On disk, everything included. */
  bytes: number;
  /** Start of the oldest profile, Unix milliseconds. */
  oldest: number | null;
}

/** What debug information has, best first: lines and inlined calls, all functions, what others may call, nothing. */
export const DEBUG_KINDS = ['dwarf', 'symtab', 'dynsym', 'none'] as const;
export type DebugKind = (typeof DEBUG_KINDS)[number];

/** The file that runs, or what was split from it. */
export type DebugRole = 'executable' | 'debug';

/** Debug information that was sent or fetched; at most one for each build id and role. */
export interface DebugFile {
  /** Lower-case hex. */
  buildId: string;
  role: DebugRole;
  kind: DebugKind;
  /** Of the content; lower-case hex. */
  sha256: string;
  size: number;
  origin: 'upload' | 'debuginfod';
  /** Unix milliseconds. */
  added: number;
  /** When it last gave names, or was added. */
  used: number;
}

/** Content that has arrived and that nobody sees yet. Ends with `keep` or `discard`. */
export interface StagedFile {
  size: number;
  sha256: string;
  /** A descriptor for reading; the caller closes it. */
  open(): Promise<number>;
  /** Resolves when it is on disk, in place of what had the same build id and role. */
  keep(about: Omit<DebugFile, 'size' | 'sha256'>): Promise<void>;
  discard(): Promise<void>;
}

/** Files are large and few: they are read by descriptor, whatever they are kept in. */
export interface DebugFiles {
  /** @throws SW_DEBUGINFO_TOO_LARGE past `maxBytes`, SW_DISK_FULL, or what `content` throws; nothing is left then. */
  stage(content: AsyncIterable<Uint8Array>, maxBytes: number): Promise<StagedFile>;
  /** A descriptor for reading, which the caller closes; null when it is gone. */
  open(file: DebugFile): Promise<number | null>;
  list(): Promise<DebugFile[]>;
  touch(files: DebugFile[], now: number): Promise<void>;
  delete(file: DebugFile): Promise<void>;
}

/**
 * Errors: SW_DISK_FULL and SW_STORE_UNAVAILABLE are worth trying again and leave nothing half written; SW_STORE_DAMAGED is
 * not. SW_SEGMENT_UNKNOWN: a profile names a segment that is not there; write its symbols again.
 */
export interface Store {
  /**
   * Resolves when everything is on disk. A segment is there before, or together with, a profile that names it; segments
   * that are there already are left alone, and so are profiles (by id). All of it or nothing counts.
   */
  append(batch: {
    segments: Segment[];
    profiles: ProfileRecord[];
  }): Promise<{ stored: number; duplicates: number }>;
  /** In batches, oldest first. */
  selectProfiles(selection: Selection): AsyncIterable<ProfileRecord[]>;
  /** Segments that are not there are not in the answer. */
  readSegments(ids: string[]): Promise<Map<string, Uint8Array>>;
  /** Totals per bucket of `stepMs`, aligned to multiples of it, by the values of `groupBy` (profile labels). */
  timeline(selection: Selection, stepMs: number, groupBy: string[]): Promise<Series[]>;
  types(selection: Selection): Promise<string[]>;
  labelNames(selection: Selection): Promise<LabelNames>;
  /** Of a profile label, and of the facet of this name. */
  labelValues(name: string, selection: Selection, limit: number): Promise<LabelValues>;
  /** Deletes what is past its retention; resolves to what went. `bytes` is by how much the disk use shrank. */
  expire(retention: Retention, now: number): Promise<{ profiles: number; segments: number; bytes: number }>;
  stats(): Promise<StoreStats>;
  readonly debugFiles: DebugFiles;
  close(): Promise<void>;
}
