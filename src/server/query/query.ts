// SPDX-License-Identifier: Apache-2.0
// Questions that need rows: bounded in number, and answered once where several ask the same at the same time.
import { retentionAges, type ServerConfig } from '../../config/config.js';
import type { ProfileRecord, Store } from '../../store/store.js';
import type { LateNames } from '../debuginfo/late-names.js';
import { Gate } from '../gate.js';
import type { Metrics } from '../metrics.js';
import { SingleFlight } from '../single-flight.js';
import { type Compared, type Merged, merge, mergeBoth } from './merge.js';
import { nameLate } from './quality.js';
import type { Question } from './question.js';
import { Segments } from './segments.js';
import { type Buckets, type Timeline, timeline } from './timeline.js';

const AT_ONCE = 4;
const WAITING = 128;

export class Query {
  readonly #sources;
  readonly #gate = new Gate(AT_ONCE, WAITING, 'questions');
  readonly #merges = new SingleFlight<Merged>();
  readonly #answers = new SingleFlight<unknown>();
  readonly #timelines = new SingleFlight<Timeline>();

  constructor(
    store: Store,
    { limits, retention }: Pick<ServerConfig, 'limits' | 'retention'>,
    private readonly metrics: Metrics,
    /** Null: names are as they were recorded. */
    private readonly late: LateNames | null = null,
  ) {
    this.#sources = {
      store,
      segments: new Segments(store),
      maxProfiles: limits.queryProfiles,
      ages: retentionAges(retention),
    };
  }

  /** The merge that answers a question; shared by all who need it at the time. @throws SW_SERVER_BUSY */
  merge(question: Question, groupBy: string[] = []): Promise<Merged> {
    const { selection, warnings, sampleLabels = false, profileIds } = question;
    const key = JSON.stringify([selection, warnings, sampleLabels, profileIds, groupBy]);
    return this.#merges.do(key, () =>
      this.#gate.run(async () => {
        const merged = await merge(this.#sources, question, groupBy);
        this.metrics.queryProfiles.inc(merged.profiles);
        this.metrics.readProfiles.inc(merged.read);
        await this.#nameLate(merged);
        return merged;
      }),
    );
  }

  /** Both selections, for one diff; shared by all who ask for the same. `apart`: ready for statistics. */
  compare<T>(
    what: string,
    left: Question,
    right: Question,
    apart: boolean,
    render: (compared: Compared) => Promise<T>,
  ): Promise<T> {
    const key = JSON.stringify([what, apart, left.selection, left.warnings, right.selection, right.warnings]);
    return this.#answers.do(key, () =>
      this.#gate.run(async () => {
        const compared = await mergeBoth(this.#sources, left, right, apart);
        for (const { profiles, read } of [compared.left, compared.right]) {
          this.metrics.queryProfiles.inc(profiles);
          this.metrics.readProfiles.inc(read);
        }
        const named = await this.late?.name(compared.merger);
        if (named) compared.left.warnings.push(...named.warnings);
        return render(compared);
      }),
    ) as Promise<T>;
  }

  /** Every profile of the selection, as it came, batch by batch; resolves to warnings. @throws SW_SERVER_BUSY */
  scan({ selection, warnings }: Question, visit: (records: ProfileRecord[]) => void): Promise<string[]> {
    const { store, maxProfiles } = this.#sources;
    return this.#gate.run(async () => {
      let seen = 0;
      let damaged = 0;
      const said = [...warnings];
      for await (const batch of store.selectProfiles(selection, () => damaged++)) {
        const records = batch.slice(0, maxProfiles - seen);
        seen += records.length;
        visit(records);
        if (records.length < batch.length) {
          said.push(
            `only the first ${maxProfiles} profiles of the range are looked at (limits.queryProfiles)`,
          );
          break;
        }
      }
      this.metrics.queryProfiles.inc(seen);
      this.metrics.readProfiles.inc(seen);
      if (damaged > 0) said.push(`${damaged} profiles are damaged and left out`);
      return said;
    });
  }

  async #nameLate({ merger, groups, stats, warnings }: Merged): Promise<void> {
    const named = await this.late?.name(merger);
    if (!named) return;
    nameLate(stats, named.weights);
    warnings.push(...named.warnings);
    // The groups have parts of the same: their names are cached, and what is missing was said.
    for (const group of groups) await this.late?.name(group.merger);
  }

  /** What `render` makes of the merge; shared by all who ask for the same. `what` names it, with its parameters. */
  answer<T>(
    what: string,
    question: Question,
    groupBy: string[],
    render: (merged: Merged) => Promise<T>,
  ): Promise<T> {
    const { selection, warnings, profileIds } = question;
    const key = JSON.stringify([what, selection, warnings, profileIds, groupBy]);
    return this.#answers.do(key, async () => render(await this.merge(question, groupBy))) as Promise<T>;
  }

  /** Buckets start at multiples of `stepMs` unless `buckets` says otherwise. @throws SW_SERVER_BUSY, SW_REQUEST_INVALID */
  timeline(
    question: Question,
    stepMs: number,
    groupBy: string[],
    { origin = 0, endsIncluded = false, exact = false }: Partial<Omit<Buckets, 'stepMs'>> = {},
  ): Promise<Timeline> {
    const buckets = { stepMs, origin: origin % stepMs, endsIncluded, exact };
    const key = JSON.stringify([question.selection, question.warnings, buckets, groupBy]);
    return this.#timelines.do(key, () =>
      this.#gate.run(() => timeline(this.#sources, question, buckets, groupBy)),
    );
  }
}
