// SPDX-License-Identifier: Apache-2.0
// What a store must do. Merging, diffing and rendering stand above it and are the same for every store.
import { createHash } from 'node:crypto';
import type { Coverage } from '../profile/coverage.js';
import type { Labels, Matcher } from '../profile/types.js';

/** Seconds that one profile of each rollup level covers, finest first. Level 0 is a window as it came in. */
export const LEVELS = [60, 600, 3600, 86_400] as const;

/**
 * Milliseconds after its end, before which rollups of a bucket are not begun: by then most of what belongs into it has
 * arrived, and what comes later counts as late. Clocks of servers must not differ by more than half of it.
 */
export const SETTLE_MS = 60_000;

/**
 * Labels of a wide rollup: one for all hosts, pods and containers of a service. A question about no other label is
 * answered from these, however many hosts there are.
 */
export const WIDE_LABELS = ['service_name', 'namespace', 'deploy'] as const;
/** What rows of a wide rollup still tell apart. */
export const WIDE_SAMPLE_LABELS = ['phase'] as const;

/** Rollups are made for a part of the services at a time. Never to be changed: stores hold what follows from it. */
export const PARTITIONS = 16;

/** FNV-1a. */
export function partitionOf(tenant: string, service: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(`${tenant}\n${service}`)) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0) % PARTITIONS;
}

/** Symbols of one tenant, service and UTC day: content-addressed, immutable, written once. */
export interface Segment {
  /** `segmentPrefix` of what it belongs to, and hex of a 128-bit hash of the content. */
  id: string;
  tenant: string;
  service: string;
  /** YYYY-MM-DD, UTC. */
  day: string;
  bytes: Uint8Array;
}

/**
 * In front of the ids of all segments of a tenant, service and day, YYYY-MM-DD: where a segment is follows from its id,
 * and two services never share one, so that one can be deleted without the other.
 */
export function segmentPrefix(tenant: string, service: string, day: string): string {
  const owner = createHash('sha256')
    .update(JSON.stringify([tenant, service]))
    .digest('hex');
  return `${day.replaceAll('-', '')}-${owner.slice(0, 16)}-`;
}

/** YYYY-MM-DD; null when it is not an id of `segmentPrefix`. */
export function segmentDay(id: string): string | null {
  const day = /^(\d{4})(\d\d)(\d\d)-/.exec(id);
  return day && `${day[1]}-${day[2]}-${day[3]}`;
}

/** One scope, one type, one window. */
export interface ProfileRecord {
  /** Chosen by the writer: the same id is stored once, however often it is sent. */
  id: string;
  /** '' where tenants are not used. */
  tenant: string;
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
  /** 0, or one of LEVELS. */
  level: number;
  /** A rollup over all hosts, with WIDE_LABELS only. */
  wide: boolean;
  /** Segments that `rows` points into, by position. */
  segments: string[];
  rows: Uint8Array;
  stats: ProfileStats;
}

/** Nothing is lost in silence: what the agent could not take or name, by cause. */
export interface ProfileStats extends Coverage {
  /** Clock that drove the samples, e.g. cpu-clock. */
  clock: string;
  /** Of a rollup: how many profiles, as they came, are in it. */
  profiles?: number;
}

export interface Selection {
  /** Null: of all tenants, which only background work may ask for. */
  tenant: string | null;
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
  /** Wide rollups of that level. */
  wide?: boolean;
  /** Of services in these partitions only. */
  partitions?: number[];
  /** Fill in `facets` and `facetsOmitted`, where the store keeps them with each profile. */
  withFacets?: boolean;
}

/** What is rolled up at once: what services of one partition have in one interval of a level. */
export interface Bucket {
  level: number;
  /** Unix milliseconds, a multiple of the level. */
  start: number;
  partition: number;
}

/** Says of which state of a bucket its rollups were made. */
export interface Ticket {
  bucket: Bucket;
  version: string;
}

/**
 * Which rollups are behind. A bucket is stale from before the first profile in it is acknowledged until its rollups have
 * everything; it becomes stale again when a profile comes late. So what is not stale can be answered from rollups.
 */
export interface Rollups {
  /** Oldest first. */
  stale(range: { from: number; until: number }, limit: number): Promise<Bucket[]>;
  /** Before the profiles of a bucket are read: all that is acknowledged is readable then. */
  begin(bucket: Bucket): Promise<Ticket>;
  /**
   * Stores rollups in place of those that there were, and the bucket is not stale any more. False when a profile came
   * since `begin`: it stays stale. @throws SW_SEGMENT_UNKNOWN when they name a segment that is nowhere
   */
  finish(ticket: Ticket, rollups: { segments: Segment[]; profiles: ProfileRecord[] }): Promise<boolean>;
  /** Forgets stale buckets of a level that start before this: what they would be made of is past its retention. */
  abandon(level: number, before: number): Promise<number>;
}

/** Who does what in the background, where several servers share a store. */
export interface Leases {
  /** Whether it is the holder's for `ttlMs` from now; again for who has it. */
  acquire(name: string, holder: string, ttlMs: number): Promise<boolean>;
  release(name: string, holder: string): Promise<void>;
}

export interface Series {
  labels: Labels;
  /** Start of each bucket, Unix milliseconds, and the sum in it. Buckets without profiles are left out. */
  times: number[];
  totals: bigint[];
  /** Profiles, or rollups of the level that was asked for, in each bucket. */
  counts: number[];
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
  /** Bytes on disk in all; the oldest hour of level 0 goes first, at last that of all levels. 0 = no limit. */
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
   * that are there already are left alone, and so are profiles (by id). All of it or nothing is acknowledged; what a
   * failed call may have left is found as a duplicate when it comes again. Profiles are of level 0.
   */
  append(batch: {
    segments: Segment[];
    profiles: ProfileRecord[];
  }): Promise<{ stored: number; duplicates: number }>;
  /** In batches, oldest first. `onDamaged` is told of each profile that is there and cannot be read. */
  selectProfiles(selection: Selection, onDamaged?: () => void): AsyncIterable<ProfileRecord[]>;
  /** Segments that are not there are not in the answer. */
  readSegments(ids: string[]): Promise<Map<string, Uint8Array>>;
  /**
   * Totals per bucket of `stepMs`, by the values of `groupBy` (profile labels). Buckets start at multiples of `stepMs`
   * after `origin` (Unix milliseconds; 0 when absent), and before it.
   */
  timeline(selection: Selection, stepMs: number, groupBy: string[], origin?: number): Promise<Series[]>;
  types(selection: Selection): Promise<string[]>;
  labelNames(selection: Selection): Promise<LabelNames>;
  /** Of a profile label, and of the facet of this name. */
  labelValues(name: string, selection: Selection, limit: number): Promise<LabelValues>;
  /** Deletes what is past its retention; resolves to what went. `bytes` is by how much the disk use shrank. */
  expire(retention: Retention, now: number): Promise<{ profiles: number; segments: number; bytes: number }>;
  /** Of a tenant, or of one of its services. */
  delete(owner: { tenant: string; service?: string }): Promise<{ profiles: number; segments: number }>;
  readonly rollups: Rollups;
  readonly leases: Leases;
  stats(): Promise<StoreStats>;
  /** Rejects when it cannot be written to or asked now. */
  ready(): Promise<void>;
  readonly debugFiles: DebugFiles;
  close(): Promise<void>;
}
