// SPDX-License-Identifier: Apache-2.0
// A selection becomes one merged profile, or one for each value of some labels.
import { Merger } from '#native/profile';
import { labelOf } from '../../profile/labels.js';
import type { Labels } from '../../profile/types.js';
import type { ProfileRecord, Store } from '../../store/store.js';
import { countProfiles } from '../rollup/roll-up.js';
import { type Ages, choosePieces, selectPieces } from './pieces.js';
import type { Piece } from './plan.js';
import { Quality, type Stats } from './quality.js';
import type { Question } from './question.js';
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

export interface Merged {
  question: Question;
  /** Everything. */
  merger: Merger;
  /** As they came, also where rollups of them were read. */
  profiles: number;
  /** Profiles and rollups that were read. */
  read: number;
  groups: Group[];
  omittedGroups: number;
  stats: Stats;
  warnings: string[];
  limited: boolean;
  period: bigint;
  /** From the first start to the last end, Unix milliseconds; null without profiles. */
  covered: { start: number; end: number } | null;
}

/** One merger with what it has been given. */
class Target {
  readonly merger: Merger;
  readonly #known = new Set<string>();
  profiles = 0;

  constructor(question: Question) {
    this.merger = new Merger({
      matchers: question.selection.sampleMatchers ?? [],
      sampleLabels: question.sampleLabels ?? false,
    });
  }

  /** Ids of segments and number of profiles that are damaged. */
  async add(records: ProfileRecord[], segments: Segments): Promise<{ segments: string[]; profiles: number }> {
    const bad = await segments.supply(this.merger, records, this.#known);
    const { damaged } = await this.merger.addProfiles(records);
    const lost = damaged.map(row => records[row]!);
    this.profiles += countProfiles(records) - countProfiles(lost);
    return { segments: bad, profiles: damaged.length };
  }
}

export async function merge(sources: Sources, question: Question, groupBy: string[] = []): Promise<Merged> {
  const { pieces, warnings: kept } = await choosePieces(sources.store, question.selection, {
    groupBy,
    narrow: question.sampleLabels ?? false,
    ages: sources.ages,
  });
  const whole = new Target(question);
  const groups = new Map<string, { labels: Labels; target: Target }>();
  const chosen = groupBy.length === 0 ? null : await largestGroups(sources.store, question, groupBy, pieces);
  const quality = new Quality();
  const damagedSegments = new Set<string>();
  let damagedProfiles = 0;
  let seen = 0;
  let limited = false;
  let period = 0n;
  let covered: Merged['covered'] = null;

  const onDamaged = () => {
    damagedProfiles++;
  };
  for await (const batch of selectPieces(sources.store, question.selection, pieces, onDamaged)) {
    const records = batch.slice(0, sources.maxProfiles - seen);
    limited = records.length < batch.length;
    seen += records.length;
    for (const record of records) {
      quality.add(record);
      period = record.period;
      covered ??= { start: record.start, end: record.start };
      covered.end = Math.max(covered.end, record.start + record.duration);
    }
    const bad = await whole.add(records, sources.segments);
    for (const id of bad.segments) damagedSegments.add(id);
    damagedProfiles += bad.profiles;
    if (chosen !== null)
      for (const [key, { labels, members }] of partition(records, groupBy)) {
        if (!chosen.keys.has(key)) continue;
        const group = groups.get(key) ?? { labels, target: new Target(question) };
        groups.set(key, group);
        await group.target.add(members, sources.segments);
      }
    if (limited) break;
  }

  const warnings = [...question.warnings, ...kept];
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
    merger: whole.merger,
    profiles: whole.profiles,
    read: seen,
    groups: [...groups.values()].map(({ labels, target }) => ({
      labels,
      merger: target.merger,
      profiles: target.profiles,
    })),
    omittedGroups: chosen?.omitted ?? 0,
    stats: quality.finish(),
    warnings,
    limited,
    period,
    covered,
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
