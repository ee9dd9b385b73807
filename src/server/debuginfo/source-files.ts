// SPDX-License-Identifier: Apache-2.0
// Builds as files that the symbolizer child reads. A build of which more is known is another file: answers that were
// cached for the one before are not asked for again.

import type { DebugFile } from '../../store/store.js';
import type { FileDescription } from '../../symbolizer/protocol.js';
import type { Reader } from '../../symbolizer/reader.js';
import type { FileTable, SourceFile } from '../../symbolizer/source-file.js';
import type { DebugInfo } from './debug-info.js';

export class SourceFiles {
  /** By build id: the file that is open, and the supplementary file that it would use. */
  readonly #current = new Map<string, { file: SourceFile; supplementId: string }>();
  /** How often something about a build changed. */
  readonly #changes = new Map<string, number>();

  constructor(
    private readonly info: DebugInfo,
    private readonly table: FileTable,
    private readonly reader: Reader,
  ) {}

  /** Known, but perhaps not open. Null when nothing is known of this build. */
  use(buildId: string): SourceFile | null {
    if (this.info.build(buildId) === undefined) return null;
    const file = this.table.use(`${buildId}:${this.#changes.get(buildId) ?? 0}`, 'elf');
    file.buildId = buildId;
    return file;
  }

  /** Opens it in the child, if it is not; false when it cannot be read. */
  async open(file: SourceFile): Promise<boolean> {
    if (file.level === 'none') return false;
    if (file.isOpen) return true;
    const build = this.info.build(file.buildId);
    const self = build?.executable ?? build?.debug;
    if (build === undefined || self === undefined || !(await this.#hold(file, self))) return false;
    const description = await this.reader.describe(file);
    if (description === null || description === 'not-elf') {
      file.release();
      return false;
    }
    const supplementId = await this.#attach(
      file,
      description,
      self === build.executable ? build.debug : undefined,
    );
    this.#current.set(file.buildId, { file, supplementId });
    return true;
  }

  /** Something about this build changed. What has to be closed now. */
  changed(buildId: string): SourceFile[] {
    const stale: SourceFile[] = [];
    for (const [user, { file, supplementId }] of this.#current) {
      if (user !== buildId && supplementId !== buildId) continue;
      this.#current.delete(user);
      if (user !== buildId) this.#change(user);
      stale.push(file);
    }
    this.#change(buildId);
    return stale;
  }

  #change(buildId: string): void {
    this.#changes.set(buildId, (this.#changes.get(buildId) ?? 0) + 1);
  }

  async #hold(file: SourceFile, from: DebugFile): Promise<boolean> {
    const descriptor = await this.info.open(from);
    if (descriptor === null) return false;
    file.opened.push({ id: file.number, file: { descriptor, size: from.size }, role: 'self' });
    return true;
  }

  /** Build id of the supplementary file, which need not be there. */
  async #attach(file: SourceFile, self: FileDescription, debug: DebugFile | undefined): Promise<string> {
    let last = self;
    if (!self.hasDwarf && debug !== undefined) {
      const descriptor = await this.info.open(debug);
      if (descriptor === null) return '';
      const attached = await this.reader.attach(file, { descriptor, size: debug.size }, 'debug');
      if (attached !== null && attached !== true) last = attached;
    }
    // Made by dwz: what several debug files have in common, with a build id of its own.
    const shared = this.info.build(last.supplementId);
    const supplement = shared?.debug ?? shared?.executable;
    if (supplement === undefined || file.level !== 'lines') return last.supplementId;
    const descriptor = await this.info.open(supplement);
    if (descriptor !== null)
      await this.reader.attach(file, { descriptor, size: supplement.size }, 'supplement');
    return last.supplementId;
  }
}
