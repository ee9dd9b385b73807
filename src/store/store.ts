// SPDX-License-Identifier: Apache-2.0
// What a store must do. Merging, diffing and rendering stand above it and are the same for every store.
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
  /** Unix milliseconds. */
  start: number;
  /** Milliseconds. */
  duration: number;
  period: bigint;
  /** Sum of the values, in units of the sample type. */
  total: bigint;
  /** Seconds that one profile of this rollup level covers; 0 is a window as it came in. */
  level: number;
  /** Segments that `rows` points into, by position. */
  segments: string[];
  rows: Uint8Array;
  stats: ProfileStats;
}

/** Nothing is lost in silence: what the agent could not take or name, by cause. */
export interface ProfileStats {
  samples: number;
  truncated: number;
  lost: Record<string, number>;
  unresolved: Record<string, number>;
  /** Clock that drove the samples, e.g. cpu-clock. */
  clock: string;
}

export interface Selection {
  /** Type id; every type when absent. */
  type?: string;
  /** On profile labels only; matchers on sample labels prune by facets where the store can, and rows are filtered above. */
  matchers: Matcher[];
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
}

export interface Retention {
  /** Milliseconds to keep, by level. */
  maxAge: Record<number, number>;
  /** Bytes on disk in all; the oldest days go first. 0 = no limit. */
  maxBytes: number;
}

export interface Store {
  /** Resolves when they are on disk. Segments that are there already are left alone. */
  appendSegments(segments: Segment[]): Promise<void>;
  /** Resolves when they are on disk; every segment they name must have been acknowledged before. */
  appendProfiles(profiles: ProfileRecord[]): Promise<{ stored: number; duplicates: number }>;
  /** In batches, oldest first. */
  selectProfiles(selection: Selection): AsyncIterable<ProfileRecord[]>;
  readSegments(ids: string[]): Promise<Map<string, Uint8Array>>;
  /** Totals per bucket of `stepMs`, anchored at `selection.from`, by the values of `groupBy` (profile labels). */
  timeline(selection: Selection, stepMs: number, groupBy: string[]): Promise<Series[]>;
  types(selection: Selection): Promise<string[]>;
  /** Names of profile labels and of facets. */
  labelNames(selection: Selection): Promise<string[]>;
  labelValues(
    name: string,
    selection: Selection,
    limit: number,
  ): Promise<{ values: string[]; omitted: number }>;
  /** Deletes what is past its retention; resolves to what went. */
  expire(retention: Retention, now: number): Promise<{ profiles: number; segments: number; bytes: number }>;
  stats(): Promise<{ profiles: number; segments: number; bytes: number; oldest: number | null }>;
  close(): Promise<void>;
}
