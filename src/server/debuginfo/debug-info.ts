// SPDX-License-Identifier: Apache-2.0
// The debug information that there is: checked before it is kept, the better of two kept, what is not used let go.
import { StackwellError } from '../../errors.js';
import {
  DEBUG_KINDS,
  type DebugFile,
  type DebugFiles,
  type DebugKind,
  type DebugRole,
  type StagedFile,
} from '../../store/store.js';
import { inspect } from '../../symbolizer/inspect.js';
import type { FileDescription } from '../../symbolizer/protocol.js';
import { Gate } from '../gate.js';

/** Files that are received and checked at once. */
const AT_ONCE = 4;
const WAITING = 32;
/** How exact `used` is on disk: it only decides what goes first. */
const TOUCH_MS = 60_000;
/** How soon what another server took in is used here. */
const FOLLOW_MS = 15_000;

/** Hex of 4 to 64 bytes: what linkers write, and nothing that means something in a path. */
export const BUILD_ID = /^(?:[0-9a-f]{2}){4,64}$/;

export interface DebugInfoLimits {
  maxFileBytes: number;
  maxBytes: number;
}

export interface Added {
  file: DebugFile;
  /** `present`: the same content was there. `kept`: something better was, and stays. */
  result: 'stored' | 'present' | 'kept';
  /** Build id of the supplementary file that it refers to, '' if none. */
  supplementId: string;
}

/** What is known of one build. */
export type Build = Partial<Record<DebugRole, DebugFile>>;

export class DebugInfo {
  readonly #builds = new Map<string, Build>();
  readonly #gate = new Gate(AT_ONCE, WAITING, 'debug files');
  /** Changes happen one after another. */
  #last: Promise<unknown> = Promise.resolve();
  bytes = 0;
  files = 0;
  evicted = 0;
  /** Called with the build id when what is known of a build changed. */
  onChange: (buildId: string) => void = () => {};
  #timer: NodeJS.Timeout | null = null;

  private constructor(
    readonly store: DebugFiles,
    readonly limits: DebugInfoLimits,
  ) {}

  static async open(store: DebugFiles, limits: DebugInfoLimits): Promise<DebugInfo> {
    const info = new DebugInfo(store, limits);
    for (const file of await store.list()) info.#put(file);
    // The limit may be lower than it was.
    await info.#makeRoom(0, '');
    return info;
  }

  /** Takes over, now and then, what other servers that share the store have changed. */
  follow(): void {
    this.#timer = setInterval(() => void this.reload().catch(() => {}), FOLLOW_MS);
    this.#timer.unref();
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /** @throws as the store does */
  reload(): Promise<void> {
    return this.#serially(async () => {
      const now = await this.store.list();
      const key = ({ buildId, role, sha256 }: DebugFile) => `${buildId} ${role} ${sha256}`;
      const there = new Set(now.map(key));
      const known = new Map([...this.#all()].map(file => [key(file), file]));
      const changed = new Set<string>();
      for (const [name, file] of known)
        if (!there.has(name)) {
          this.#forget(file);
          changed.add(file.buildId);
        }
      for (const file of now)
        if (!known.has(key(file))) {
          this.#put(file);
          changed.add(file.buildId);
        }
      for (const buildId of changed) this.onChange(buildId);
    });
  }

  build(buildId: string): Build | undefined {
    return this.#builds.get(buildId);
  }

  hasDwarf(buildId: string): boolean {
    const build = this.#builds.get(buildId);
    return build?.executable?.kind === 'dwarf' || build?.debug?.kind === 'dwarf';
  }

  /** By build id, then role. */
  list(): DebugFile[] {
    return [...this.#all()].sort((a, b) =>
      a.buildId !== b.buildId ? (a.buildId < b.buildId ? -1 : 1) : a.role < b.role ? -1 : 1,
    );
  }

  /**
   * Takes in what `content` gives.
   * @throws SW_DEBUGINFO_…, SW_DISK_FULL, SW_SYMBOLIZER, SW_SERVER_BUSY, or what `content` throws; nothing is kept then
   */
  add(buildId: string, content: AsyncIterable<Uint8Array>, origin: DebugFile['origin']): Promise<Added> {
    return this.#gate.run(async () => {
      const { maxFileBytes, maxBytes } = this.limits;
      const staged = await this.store.stage(content, Math.min(maxFileBytes, maxBytes));
      let kept = false;
      try {
        const { size, sha256 } = staged;
        const same = Object.values(this.#builds.get(buildId) ?? {}).find(file => file.sha256 === sha256);
        if (same !== undefined) return { file: same, result: 'present', supplementId: '' };
        const description = await check(staged, buildId);
        const now = Date.now();
        const file: DebugFile = {
          buildId,
          role: description.hasCode ? 'executable' : 'debug',
          kind: kindOf(description),
          size,
          sha256,
          origin,
          added: now,
          used: now,
        };
        return await this.#serially(async () => {
          const before = this.#builds.get(buildId)?.[file.role];
          const { supplementId } = description;
          if (before !== undefined && DEBUG_KINDS.indexOf(before.kind) < DEBUG_KINDS.indexOf(file.kind))
            return { file: before, result: 'kept', supplementId };
          await this.#makeRoom(size - (before?.size ?? 0), buildId);
          await staged.keep(file);
          kept = true;
          this.#put(file);
          this.onChange(buildId);
          return { file, result: 'stored', supplementId };
        });
      } finally {
        if (!kept) await staged.discard();
      }
    });
  }

  /** Everything of this build; how many files. */
  delete(buildId: string): Promise<number> {
    return this.#serially(async () => {
      const files = Object.values(this.#builds.get(buildId) ?? {});
      for (const file of files) await this.#remove(file);
      return files.length;
    });
  }

  /** A descriptor, which the caller closes; null when the file is gone from under us, and then it is forgotten. */
  async open(file: DebugFile): Promise<number | null> {
    const descriptor = await this.store.open(file);
    if (descriptor === null) await this.#serially(() => this.#remove(file));
    return descriptor;
  }

  /** These gave names. */
  async touch(buildIds: Iterable<string>): Promise<void> {
    const now = Date.now();
    const stale: DebugFile[] = [];
    for (const buildId of buildIds)
      for (const file of Object.values(this.#builds.get(buildId) ?? {})) {
        if (now - file.used < TOUCH_MS) continue;
        file.used = now;
        stale.push(file);
      }
    if (stale.length > 0) await this.store.touch(stale, now);
  }

  *#all(): Generator<DebugFile> {
    for (const build of this.#builds.values()) yield* Object.values(build);
  }

  #put(file: DebugFile): void {
    const build = this.#builds.get(file.buildId) ?? {};
    this.#forget(build[file.role]);
    this.#builds.set(file.buildId, build);
    build[file.role] = file;
    this.bytes += file.size;
    this.files++;
  }

  #forget(file: DebugFile | undefined): void {
    const build = file && this.#builds.get(file.buildId);
    if (!file || build?.[file.role] !== file) return;
    delete build[file.role];
    if (Object.keys(build).length === 0) this.#builds.delete(file.buildId);
    this.bytes -= file.size;
    this.files--;
  }

  async #remove(file: DebugFile): Promise<void> {
    this.#forget(file);
    await this.store.delete(file);
    this.onChange(file.buildId);
  }

  /** Lets go of what was not used for longest, but of nothing of the build that `size` more bytes are for. */
  async #makeRoom(size: number, buildId: string): Promise<void> {
    if (this.bytes + size <= this.limits.maxBytes) return;
    const oldest = [...this.#all()].filter(file => file.buildId !== buildId).sort((a, b) => a.used - b.used);
    for (const file of oldest) {
      if (this.bytes + size <= this.limits.maxBytes) return;
      this.evicted++;
      await this.#remove(file);
    }
  }

  #serially<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }
}

/** @throws SW_DEBUGINFO_INVALID, SW_DEBUGINFO_BUILD_ID, SW_SYMBOLIZER */
async function check(staged: StagedFile, wanted: string): Promise<FileDescription> {
  const description = await inspect({ descriptor: await staged.open(), size: staged.size });
  if (description === 'not-elf')
    throw new StackwellError('SW_DEBUGINFO_INVALID', { reason: 'it is not an ELF file' });
  if (description === null) throw new StackwellError('SW_DEBUGINFO_INVALID', { reason: 'it is damaged' });
  const { buildId } = description;
  if (buildId !== wanted)
    throw new StackwellError('SW_DEBUGINFO_BUILD_ID', { found: buildId || 'missing', wanted });
  // Code without symbols still tells where segments are; a debug file without them tells nothing.
  if (kindOf(description) === 'none' && !description.hasCode)
    throw new StackwellError('SW_DEBUGINFO_INVALID', { reason: 'it has no symbols' });
  return description;
}

function kindOf({ hasDwarf, hasSymtab, hasDynsym }: FileDescription): DebugKind {
  return hasDwarf ? 'dwarf' : hasSymtab ? 'symtab' : hasDynsym ? 'dynsym' : 'none';
}
