// SPDX-License-Identifier: Apache-2.0
// A selection becomes one merged profile, or one for each value of some labels.
import { Merger } from '#native/profile';
import { labelOf } from '../../profile/labels.js';
import { type Labels, REQUEST_LABELS } from '../../profile/types.js';
import type { ProfileRecord, Store } from '../../store/store.js';
import { countProfiles } from '../rollup/roll-up.js';
import { type Ages, choosePieces, selectPieces } from './pieces.js';
import type { Piece } from './plan.js';
import { withIds } from './profile-ids.js';
import { Quality, type Stats } from './quality.js';
import type { Question } from './question.js';
import { Replicates, type SideCells } from './replicates.js';
import type { Segments } from './segments.js';

/** More groups than this would be more memory than a question may take; what is over is in no group, and counted. */
export const MAX_GROUPS = 20;

export interface Group {
  labels: Labels;
  merger: Merger;
  profiles: number;
}

export interface Sources {
  store: Store;
  segments: Segments;
  /** Most profiles and rollups that one question reads. */
  maxProfiles: number;
  ages: Ages;
}

/** What was read for a question. */
export interface Reading {
  question: Question;
  /** As they came, also where rollups of them were read. */
  profiles: number;
  /** Profiles and rollups that were read. */
  read: number;
  stats: Stats;
  warnings: string[];
  limited: boolean;
  period: bigint;
  /** From the first start to the last end, Unix milliseconds; null without profiles. */
  covered: { start: number; end: number } | null;
}

export interface Merged extends Reading {
  /** Everything. */
  merger: Merger;
  groups: Group[];
  omittedGroups: number;
}

export interface Compared {
  left: Reading;
  right: Reading;
  /** Both, on their sides. */
  merger: Merger;
  /** What the sides were taken apart into; null unless asked for. */
  cells: Record<Side, SideCells> | null;
}

type Side = 'left' | 'right';

/** One merger with what it has been given. */
class Target {
  readonly merger: Merger;
  readonly #known = new Set<string>();
  profiles = 0;

  constructor(question: Question, right: Question = question) {
    this.merger = new Merger({
      matchers: question.selection.sampleMatchers ?? [],
      rightMatchers: right.selection.sampleMatchers ?? [],
      sampleLabels: question.sampleLabels ?? false,
    });
  }

  /** Ids of segments and number of profiles that are damaged. */
  async add(
    records: ProfileRecord[],
    segments: Segments,
    side: Side,
    replicates: Replicates | null = null,
  ): Promise<{ segments: string[]; profiles: number }> {
    const bad = await segments.supply(this.merger, records, this.#known);
    const { damaged } = await this.merger.addProfiles(records, {
      side,
      ...(replicates && { replicates: Uint32Array.from(records, record => replicates.of(record)) }),
    });
    const lost = damaged.map(row => records[row]!);
    this.profiles += countProfiles(records) - countProfiles(lost);
    return { segments: bad, profiles: damaged.length };
  }
}

/** Reads what a question is about into `whole`, batch after batch; `also` gets each batch, too. */
async function read(
  sources: Sources,
  question: Question,
  pieces: Piece[],
  whole: Target,
  side: Side,
  {
    also = async () => {},
    replicates = null,
  }: { also?: (records: ProfileRecord[]) => Promise<void>; replicates?: Replicates | null } = {},
): Promise<Reading> {
  const quality = new Quality();
  const damagedSegments = new Set<string>();
  let damagedProfiles = 0;
  let seen = 0;
  let limited = false;
  let period = 0n;
  let covered: Reading['covered'] = null;
  const onDamaged = () => {
    damagedProfiles++;
  };
  const before = whole.profiles;
  for await (const found of selectPieces(sources.store, question.selection, pieces, onDamaged)) {
    const batch = question.profileIds === undefined ? found : withIds(found, question.profileIds);
    const records = batch.slice(0, sources.maxProfiles - seen);
    limited = records.length < batch.length;
    seen += records.length;
    for (const record of records) {
      quality.add(record);
      period = record.period;
      covered ??= { start: record.start, end: record.start };
      covered.end = Math.max(covered.end, record.start + record.duration);
    }
    const bad = await whole.add(records, sources.segments, side, replicates);
    for (const id of bad.segments) damagedSegments.add(id);
    damagedProfiles += bad.profiles;
    await also(records);
    if (limited) break;
  }
  const warnings: string[] = [];
  if (limited)
    warnings.push(
      `only the first ${sources.maxProfiles} profiles and rollups of the range are merged (limits.queryProfiles); ask for a shorter range`,
    );
  if (damagedSegments.size > 0)
    warnings.push(
      `${damagedSegments.size} symbol segments are damaged or missing: ${[...damagedSegments].slice(0, 3).join(', ')}`,
    );
  if (damagedProfiles > 0) warnings.push(`${damagedProfiles} profiles are damaged and left out`);
  return {
    question,
    profiles: whole.profiles - before,
    read: seen,
    stats: quality.finish(),
    warnings,
    limited,
    period,
    covered,
  };
}

export async function merge(sources: Sources, question: Question, groupBy: string[] = []): Promise<Merged> {
  const { pieces, warnings } = await choosePieces(sources.store, question.selection, {
    groupBy,
    narrow: question.sampleLabels ?? false,
    ages: sources.ages,
    ...(question.profileIds === undefined ? {} : { maxLevel: 0 }),
  });
  if (question.sampleLabels === true)
    warnings.push(...(await withoutRequests(sources.store, question, pieces)));
  const whole = new Target(question);
  const groups = new Map<string, { labels: Labels; target: Target }>();
  const chosen = groupBy.length === 0 ? null : await largestGroups(sources.store, question, groupBy, pieces);
  const also = async (records: ProfileRecord[]) => {
    if (chosen === null) return;
    for (const [key, { labels, members }] of partition(records, groupBy)) {
      if (!chosen.keys.has(key)) continue;
      const group = groups.get(key) ?? { labels, target: new Target(question) };
      groups.set(key, group);
      await group.target.add(members, sources.segments, 'left');
    }
  };
  const reading = await read(sources, question, pieces, whole, 'left', { also });
  return {
    ...reading,
    warnings: [...question.warnings, ...warnings, ...reading.warnings],
    merger: whole.merger,
    groups: [...groups.values()].map(({ labels, target }) => ({
      labels,
      merger: target.merger,
      profiles: target.profiles,
    })),
    omittedGroups: chosen?.omitted ?? 0,
  };
}

/** What an answer that shows sample labels does not show, because a part of it comes from rollups. */
async function withoutRequests(store: Store, { selection }: Question, pieces: Piece[]): Promise<string[]> {
  const rolled = pieces.filter(({ level }) => level > 0);
  const names = await Promise.all(rolled.map(piece => store.labelNames({ ...selection, ...piece })));
  const lacking = REQUEST_LABELS.filter(name => names.some(({ sample }) => sample.includes(name)));
  if (lacking.length === 0) return [];
  return [
    `rollups do not keep ${lacking.join(' and ')}: only samples that are still there as they came have them; ask for a range of two minutes or less, or with a matcher on them`,
  ];
}

/**
 * Two selections in one merger: what both have is read and decoded once. `apart`: by instance and time as well, for
 * statistics.
 */
export async function mergeBoth(
  sources: Sources,
  left: Question,
  right: Question,
  apart: boolean,
): Promise<Compared> {
  const target = new Target(left, right);
  const readSide = async (
    question: Question,
    side: Side,
  ): Promise<{ reading: Reading; cells: SideCells | null }> => {
    const replicates = apart
      ? await Replicates.choose(sources, question, side === 'left' ? 0 : Replicates.size)
      : null;
    const { pieces, warnings } =
      replicates ?? (await choosePieces(sources.store, question.selection, { ages: sources.ages }));
    const reading = await read(sources, question, pieces, target, side, { replicates });
    return {
      reading: { ...reading, warnings: [...question.warnings, ...warnings, ...reading.warnings] },
      cells: replicates?.cells() ?? null,
    };
  };
  // One after the other: each is as much as may be in memory at a time.
  const one = await readSide(left, 'left');
  const other = await readSide(right, 'right');
  return {
    left: one.reading,
    right: other.reading,
    merger: target.merger,
    cells: one.cells && other.cells && { left: one.cells, right: other.cells },
  };
}

function groupKey(labels: Labels, groupBy: string[]): string {
  return JSON.stringify(groupBy.map(name => labelOf(labels, name)));
}

function partition(
  records: ProfileRecord[],
  groupBy: string[],
): Map<string, { labels: Labels; members: ProfileRecord[] }> {
  const groups = new Map<string, { labels: Labels; members: ProfileRecord[] }>();
  for (const record of records) {
    const key = groupKey(record.labels, groupBy);
    const group = groups.get(key);
    if (group === undefined) {
      const labels = Object.fromEntries(groupBy.map(name => [name, labelOf(record.labels, name)]));
      groups.set(key, { labels, members: [record] });
    } else group.members.push(record);
  }
  return groups;
}

/** By the totals that the store knows without reading rows. */
async function largestGroups(
  store: Store,
  { selection }: Question,
  groupBy: string[],
  pieces: Piece[],
): Promise<{ keys: Set<string>; omitted: number }> {
  const sums = new Map<string, bigint>();
  for (const piece of pieces)
    for (const { labels, totals } of await store.timeline(
      { ...selection, ...piece },
      piece.until - piece.from,
      groupBy,
    )) {
      const key = groupKey(labels, groupBy);
      sums.set(
        key,
        totals.reduce((sum, one) => sum + one, sums.get(key) ?? 0n),
      );
    }
  const totals = [...sums].map(([key, total]) => ({ key, total }));
  totals.sort((a, b) => (a.total === b.total ? 0 : a.total > b.total ? -1 : 1));
  return {
    keys: new Set(totals.slice(0, MAX_GROUPS).map(({ key }) => key)),
    omitted: Math.max(0, totals.length - MAX_GROUPS),
  };
}
