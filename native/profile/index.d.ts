// SPDX-License-Identifier: Apache-2.0
// The profile engine: decode, canonicalize, merge, lay out and encode pprof.
// Every function that takes or gives more than a few bytes runs on libuv's thread pool and returns a promise: nothing
// here holds the event loop for longer than copying its arguments. Errors are `Error` objects with a `code` (SW_…).

/** Bounds on what one profile may ask of us. A profile past one of them is refused whole. */
export interface Limits {
  /** Bytes after decompression (default 64 MiB): a gzip bomb ends here. */
  maxBytes?: number;
  maxSamples?: number; // default 1,000,000
  maxLocations?: number; // default 1,000,000; also functions and mappings
  maxStrings?: number; // default 2,000,000
  maxStringBytes?: number; // one string, default 64 KiB
  maxDepth?: number; // frames of one stack, default 1,024, at most 32,768; deeper stacks keep their leaf end and are counted as truncated
  maxLabels?: number; // labels of one sample, default 64
}

/**
 * A pprof profile as columns (profile.proto of github.com/google/pprof). Row indices are 0-based positions, not
 * pprof ids; -1 stands for "none" where a reference may be missing. Strings are indices into `strings`, 0 is ''.
 */
export interface ProfileColumns {
  strings: string[];
  sampleTypes: { type: number; unit: number }[];
  periodType: { type: number; unit: number } | null;
  period: bigint;
  /** Unix nanoseconds. */
  timeNanos: bigint;
  durationNanos: bigint;
  comments: Uint32Array;
  defaultSampleType: number;
  dropFrames: number;
  keepFrames: number;
  docUrl: number;
  mappings: {
    start: BigUint64Array;
    limit: BigUint64Array;
    offset: BigUint64Array;
    filename: Uint32Array;
    buildId: Uint32Array;
    /** bit 0 has_functions, 1 has_filenames, 2 has_line_numbers, 3 has_inline_frames */
    flags: Uint8Array;
  };
  functions: { name: Uint32Array; systemName: Uint32Array; filename: Uint32Array; startLine: BigInt64Array };
  locations: {
    /** Row of `mappings`, or -1. */
    mapping: Int32Array;
    address: BigUint64Array;
    isFolded: Uint8Array;
    /** n + 1 offsets into `lines`; innermost inlined frame first. */
    lineOffset: Uint32Array;
  };
  lines: { function: Int32Array; line: BigInt64Array; column: BigInt64Array };
  samples: {
    /** n + 1 offsets into `location`; leaf first. */
    locationOffset: Uint32Array;
    location: Uint32Array;
    /** n × sampleTypes, row-major. */
    values: BigInt64Array;
    /** n + 1 offsets into the label columns. */
    labelOffset: Uint32Array;
  };
  labels: { key: Uint32Array; str: Uint32Array; num: BigInt64Array; numUnit: Uint32Array };
}

/**
 * Decodes pprof: plain, gzip or several gzip members after each other. Unknown fields are skipped, text that is not
 * UTF-8 is repaired with U+FFFD. Stacks come out whole, whatever `maxDepth` is. Rejects with SW_PPROF_INVALID
 * (`details.reason`) or SW_PPROF_LIMIT (`details`: limit, value, max). Making `strings` takes the caller's thread about
 * 0.2 us each.
 */
export function decode(data: Uint8Array, limits?: Limits): Promise<ProfileColumns>;

/** Encodes pprof; rejects with SW_PPROF_INVALID where a reference has no row. `gzipLevel` 0 (default 1 … 9 as zlib) leaves it uncompressed. */
export function encode(profile: ProfileColumns, options?: { gzipLevel?: number }): Promise<Uint8Array>;

/** What an ExportProfilesServiceRequest of OTLP holds. */
export interface OtlpExport {
  /** Profiles of the request that must be one file, as one: of one service, with the same attributes, type and time. */
  profiles: {
    /** Of resource, scope and profile, in this order, as text; without those that name the service or the process. */
    attributes: [string, string][];
    /** `unknown_service` or `unknown_service:PROGRAM` where there is none. */
    service: string;
    /** Of the profile type; '' to go by the sample type. */
    name: string;
    /** Not compressed. */
    pprof: Uint8Array;
    /** Profiles of the request that it is made of. */
    profiles: number;
  }[];
  /** Profiles of the request. */
  received: number;
  /** Attributes left out because they are too long for a label. */
  droppedAttributes: number;
}

/**
 * Converts an ExportProfilesServiceRequest (opentelemetry-proto 1.10 and later, binary) to pprof. All of it is checked
 * before anything is converted: rejects with SW_OTLP_INVALID or SW_PPROF_LIMIT, whatever part is at fault.
 */
export function convertOtlp(request: Uint8Array, limits?: Limits): Promise<OtlpExport>;

/** What counts of stacks are, for `convertStacks`. */
export interface StackType {
  sampleType: string;
  sampleUnit: string;
  /** '' when there is none. */
  periodType: string;
  periodUnit: string;
  period: bigint;
  /** Units that a count of one is. */
  scale: bigint;
}

/**
 * Stacks of names with counts, plain or gzipped, as pprof (not compressed): `folded` (lines `root;…;leaf count`), `lines`
 * (a stack for each sample), `trie` and `tree` (docs/ingest.md). Rejects with SW_STACKS_INVALID (`details`: format,
 * reason) or SW_PPROF_LIMIT.
 */
export function convertStacks(
  data: Uint8Array,
  type: StackType & { format: 'folded' | 'lines' | 'trie' | 'tree' },
  limits?: Limits,
): Promise<Uint8Array>;

/** One profile of one sample type, ready for the store. Rows point into symbol segments. */
export interface StoredProfile {
  sampleType: string;
  sampleUnit: string;
  periodType: string;
  periodUnit: string;
  period: bigint;
  timeNanos: bigint;
  durationNanos: bigint;
  /** Sum of the values, exact: may be over 64 bits where the values are extreme. */
  total: bigint;
  /** Number of (stack, sample labels) rows. */
  rowCount: number;
  /** Segments that `rows` points into, by position. */
  segments: string[];
  /** Compressed (stack, sample labels, value) rows. Opaque outside the engine; format in docs/storage.md. */
  rows: Uint8Array;
  /** Distinct values of each sample label (strings; of numbers only pid, tid and thread_id), at most `maxFacetValues` each, of trace_id, span_id and profile_id 4, largest share first. */
  facets: Record<string, string[]>;
  /** Names of the facets that had more values than that, with how many were left out. */
  facetsOmitted: Record<string, number>;
  /** Without those that give reasons (docs/pprof.md): these are kept with the locations. */
  comments: string[];
}

export interface Batch {
  /** Symbols that no acknowledged segment of this writer has; null when all are known. `id` is the hex of a 128-bit hash of the content. */
  segment: { id: string; bytes: Uint8Array } | null;
  profiles: StoredProfile[];
  /** Stacks cut at maxDepth. */
  truncated: number;
  /** For `commit` and `rollback`. */
  ticket: number;
}

/**
 * Turns pprof into rows and symbol segments for one service and one UTC day. It remembers, bounded, which stacks are in
 * segments that the store has acknowledged, so that symbols are written once. Calls may overlap: a stack that is in
 * flight twice is written twice, and merges again when it is read. A profile names at most 65 segments: stacks that are
 * spread over more are written again, all that are in its least used ones. A ticket that is never answered is rolled back after 1,024 others.
 */
export class SymbolWriter {
  /**
   * Defaults: 100,000 stacks (and as many label sets), 64 values. Ids of segments are `segmentPrefix` (default '') and
   * the hash.
   */
  constructor(options?: { segmentPrefix?: string; maxStacks?: number; maxFacetValues?: number });
  add(pprof: Uint8Array, limits?: Limits): Promise<Batch>;
  /** The store has the segment of this batch on disk: its stacks count as known from now on. */
  commit(ticket: number): void;
  rollback(ticket: number): void;
  /** Stacks known, and bytes of memory they take. */
  readonly size: { stacks: number; bytes: number };
}

/**
 * Prometheus matcher; regular expressions are RE2 (no back-tracking, so a caller cannot make one slow) and anchored at
 * both ends. On a sample label (pid, thread_name, phase, …) a row without the label matches as ''.
 */
export interface SampleMatcher {
  name: string;
  op: '=' | '!=' | '=~' | '!~';
  value: string;
}

/** The same matcher for the store's own labels. Throws SW_QUERY_INVALID for a bad expression. */
export class Matcher {
  constructor(op: SampleMatcher['op'], value: string);
  /** 1 where the value matches. */
  test(values: string[]): Uint8Array;
}

/** When something was taken. */
export interface Window {
  /** Unix nanoseconds. */
  timeNanos: bigint;
  durationNanos: bigint;
}

export interface Grown {
  /** Not compressed. */
  pprof: Uint8Array;
  samples: number;
  /** Nothing to compare with was known: the counters are left out. Never of a profile that has none. */
  first: boolean;
  /** Counters fell, so the process started again: they are taken whole. */
  restarted: boolean;
  /** File and build id of the first mapping, which is the program in profiles of Go; '' when unknown. */
  program: string;
  buildId: string;
}

/**
 * Turns profiles of one process, taken one after another, into what each adds to the one before. Only `counters` are
 * subtracted, by stack and labels; what else a profile has is a snapshot and stays. Samples without values and symbols
 * without samples are left out. Remembers 16 bytes and a value for each counter of each stack, and no symbols.
 */
export class Delta {
  /** Names of sample types that only ever grow while a process lives: `alloc_space`, `delay`, … */
  constructor(options: { counters: string[]; limits?: Limits });
  /**
   * Rejects with SW_PPROF_INVALID or SW_PPROF_LIMIT, and remembers what it did before then. Calls may overlap: they run
   * in their order.
   * @param window says when, in place of what the profile says of itself
   */
  add(pprof: Uint8Array, window?: Window): Promise<Grown>;
  /** The next one is the first again. */
  forget(): Promise<void>;
  /** Stacks that are known, and the bytes that this takes, after the last call that resolved. */
  readonly size: { stacks: number; bytes: number };
}

/** What several profiles add up to, ready for the store. */
export interface Summed {
  /** Segments that `rows` points into, by position. */
  segments: string[];
  rows: Uint8Array;
  rowCount: number;
  /** Exact: may be over 64 bits where the values are extreme. */
  total: bigint;
  /** Positions of profiles that are left out because their rows are damaged. */
  damaged: number[];
}

/** Sums rows of one sample type as they are, with their labels; needs no symbols, so a stack that two segments have stays two rows. */
export function sumProfiles(profiles: { segments: string[]; rows: Uint8Array }[]): Promise<Summed>;

/** A call tree in preorder, ready to draw. Row 0 is the root; `start` and `total` are in units of the sample type. */
export interface FlameColumns {
  /** Sum of all values, exact. */
  sum: bigint;
  /** Distinct functions of the tree. */
  functions: {
    /** Of one without a name its place: 'app+0x1f20', offset in the file; '[app]' when even that is not known. */
    name: string[];
    /** Source file, '' when unknown. */
    file: string[];
    /** Base name of the mapping ('' when there is none); '[kernel.kallsyms]' for the kernel. */
    module: string[];
    /** Why it has no name ('' when it has one): no_symbols, unmapped, jit_unknown, process_gone, … */
    reason: string[];
    /** Of its file, when it has no name ('' when it has one, or the file has none). */
    buildId: string[];
  };
  depth: Uint16Array;
  start: Float64Array;
  total: Float64Array;
  self: Float64Array;
  /** Row of `functions`; the root's is 0, named 'total'. Folded small nodes use a function named 'other'. */
  function: Uint32Array;
  /** Nodes that were folded into 'other' because of `maxNodes`. */
  omittedNodes: number;
}

/** Two call trees with the same nodes, in preorder. Functions, depths and folding are as in FlameColumns. */
export interface DiffColumns {
  functions: FlameColumns['functions'];
  depth: Uint16Array;
  function: Uint32Array;
  omittedNodes: number;
  left: DiffSide;
  right: DiffSide;
  /** Null unless `functions` were asked for. */
  matrix: FunctionMatrix | null;
}

/** Functions of a comparison, those with the greatest part of either side, that first. */
export interface FunctionMatrix {
  functions: FlameColumns['functions'];
  /** How many there are more. */
  omitted: number;
  /** By function. Each counts once per sample in `total`, however often it recurs in the stack. */
  left: { self: Float64Array; total: Float64Array };
  right: { self: Float64Array; total: Float64Array };
  /** What each replicate has in all, and function × replicate. */
  replicates: { sum: Float64Array; self: Float64Array; total: Float64Array };
}

/** What of a frame is its build's and not the program's. */
export interface MatchingRule {
  id: string;
  what: string;
  example: string;
  becomes: string;
}

export function matchingRules(): MatchingRule[];

/** Values of one side, in units of the sample type: as they are, whatever the other side's total is. */
export interface DiffSide {
  /** Exact. */
  sum: bigint;
  start: Float64Array;
  total: Float64Array;
  self: Float64Array;
}

export interface TopColumns {
  sum: bigint;
  functions: FlameColumns['functions'];
  /** Per function; each counts once per sample in `total`, however often it recurs in the stack. */
  self: Float64Array;
  total: Float64Array;
}

/** Places of the selected stacks that no one could name when they were recorded, in files that have a build id. */
export interface UnnamedPlaces {
  buildIds: string[];
  /** Row of `buildIds`. */
  buildId: Uint32Array;
  /** In the file, below 2^53. As found: of a leaf the instruction, else the one after the call. */
  offset: Float64Array;
  /** 1 where stacks end. A location that is both, leaf of some stacks and caller in others, is two rows. */
  isLeaf: Uint8Array;
  /** Stands for the location, in `LateNames`. */
  location: Uint32Array;
}

/** Names for rows of UnnamedPlaces; a row without frames stays as it is. */
export interface LateNames {
  location: Uint32Array;
  isLeaf: Uint8Array;
  strings: string[];
  /** n + 1 offsets into `frames`; innermost inlined frame first. */
  frameOffset: Uint32Array;
  frames: {
    /** Rows of `strings`. */
    name: Uint32Array;
    systemName: Uint32Array;
    file: Uint32Array;
    /** 0 when unknown, as is the first line of the function. */
    line: Uint32Array;
    startLine: Uint32Array;
  };
}

/** What frames without a name weigh, by reason: a frame as much as the (absolute) values of the stacks through it. */
export interface Weights {
  reason: string[];
  /** Of those that were named now. */
  named: Float64Array;
  /** Of them and of those that were not. */
  all: Float64Array;
}

/**
 * Sums rows over any number of profiles. Its memory grows with distinct stacks, not with profiles. Sums are exact (128
 * bits inside), so that they do not depend on the order of profiles. Calls may overlap: they run in the order in which
 * they were made.
 */
export class Merger {
  /**
   * `sampleLabels: false` sums rows of one stack whatever their sample labels, which takes less time and memory (default
   * true); a list keeps these ones only, or all `except` some. `pprof({ sampleLabels: true })` and `rollUp` need them; matchers and `sumBy` do
   * not.
   */
  constructor(options?: {
    matchers?: SampleMatcher[];
    /** Of what is added to the right (default: the same). */
    rightMatchers?: SampleMatcher[];
    sampleLabels?: boolean | string[] | { except: string[] };
    limits?: Limits;
  });
  /** Needed before rows that point into it. A damaged segment throws SW_SEGMENT_DAMAGED and changes nothing. */
  addSegment(id: string, bytes: Uint8Array): Promise<void>;
  /** Several at once, which takes far less time: ids of those that are damaged, and left out. */
  addSegments(segments: { id: string; bytes: Uint8Array }[]): Promise<{ damaged: string[] }>;
  /** Whether it was added, in a call that has resolved. */
  hasSegment(id: string): boolean;
  /**
   * All profiles must have the same sample type. A profile that is damaged, or names a segment that was not added, is
   * left out and its position returned. What is added to the right is there for `diff` (and `unnamed` and `name`) only.
   * `replicates` has for each profile in which of them it counts, too (below 4,096, of both sides together).
   */
  addProfiles(
    profiles: { segments: string[]; rows: Uint8Array }[],
    options?: { side?: 'left' | 'right'; replicates?: Uint32Array },
  ): Promise<{ damaged: number[] }>;
  /** A whole pprof file, for tools that have no store. `sampleType` picks the value column (default: the last). */
  addPprof(
    data: Uint8Array,
    options?: { sampleType?: string; side?: 'left' | 'right'; replicate?: number },
  ): Promise<void>;
  /** Distinct rows and stacks, bytes of memory, and stacks of `addPprof` that were cut at `maxDepth`, after the last call that resolved. */
  readonly size: { rows: number; stacks: number; bytes: number; truncated: number };
  /** Nearly free where everything has a name. */
  unnamed(): Promise<UnnamedPlaces>;
  /**
   * Names what was added so far; what is added later is without these names. Where inlined calls would make a stack
   * deeper than 32,768 frames, its locations stay as they are.
   */
  name(names: LateNames): Promise<Weights>;
  /** Children are in the order of their names, 'other' last. At most `maxNodes` rows, and never fewer than 2. */
  flamegraph(options?: { maxNodes?: number }): Promise<FlameColumns>;
  /**
   * Both sides in one tree, of the nodes with the greatest part of either; at most `maxNodes` rows, and never fewer than 2.
   * With `matchingWithout`, frames are one that are the same by all rules of `matchingRules` but these (SW_QUERY_INVALID
   * for one that there is not). `functions`: how many the matrix has at most.
   */
  diff(options?: { maxNodes?: number; matchingWithout?: string[]; functions?: number }): Promise<DiffColumns>;
  top(): Promise<TopColumns>;
  /** Sum by value of one sample label ('' for rows without it); a sum over 64 bits is the greatest number of 64 bits. */
  sumBy(label: string): Promise<{ value: string[]; total: BigInt64Array }>;
  /**
   * Everything that was added, as one profile with the symbols of `writer`, in at most 17 segments: stacks that are spread
   * over more come together in the new one, and what is added to `writer` next finds them there. Not after
   * `sampleLabels: false` in the constructor.
   */
  rollUp(writer: SymbolWriter): Promise<Batch>;
  /**
   * Merged profile, gzip-compressed, with mappings, build ids, lines and inlined frames; leaf complete. Reasons of unnamed
   * frames are added to the comments. A sum over 64 bits becomes several samples, so that the total is right.
   */
  pprof(options: {
    sampleType: string;
    sampleUnit: string;
    periodType: string;
    periodUnit: string;
    period: bigint;
    timeNanos: bigint;
    durationNanos: bigint;
    comments?: string[];
    /** Keep sample labels (pid, thread_name, …) as pprof labels; else rows of one stack are summed. Not after `sampleLabels: false` in the constructor. */
    sampleLabels?: boolean;
    /** Say in comments, by location id, why a location has no name: long, and `go tool pprof` prints all comments. */
    reasons?: boolean;
    /**
     * Only what Go's compiler takes for profile-guided optimization: of each stack the innermost run of Go frames whose
     * functions have a first line, under the names that Go's linker knows. SW_PGO_EMPTY where there are none.
     */
    goOnly?: boolean;
  }): Promise<Uint8Array>;
}
