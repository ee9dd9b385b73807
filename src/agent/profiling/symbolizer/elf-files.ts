// SPDX-License-Identifier: Apache-2.0
// Opens an ELF file and its debug files, and makes sure that they are the ones that ran.
import { existsSync } from 'node:fs';
import type { Opened } from '#native/descriptors';
import type { Reason } from '../../../profile/types.js';
import { closeDescriptor, type Opener } from '../../../symbolizer/opener.js';
import type { FileDescription } from '../../../symbolizer/protocol.js';
import type { Reader } from '../../../symbolizer/reader.js';
import type { FileTable, SourceFile } from '../../../symbolizer/source-file.js';
import type { SymbolInput } from '../symbols.js';
import { debugPaths, type Place, places, supplementPaths } from './places.js';

export interface ElfOptions {
  maxFileBytes: number;
}

export class ElfFiles {
  constructor(
    readonly table: FileTable,
    readonly reader: Reader,
    readonly opener: Opener,
    readonly options: ElfOptions,
  ) {}

  /**
   * The file behind a mapping. With a build id that is enough to know it; without one it must be opened to tell
   * whether it is the same as before, for inode numbers come back.
   */
  async identify(input: SymbolInput, mapping: number): Promise<SourceFile | Reason> {
    const buildId = input.mappings.buildId[mapping]!;
    if (buildId !== '') {
      const file = this.table.use(`b:${buildId}`, 'elf');
      file.buildId = buildId;
      return file;
    }
    for await (const place of places(input, mapping, this.opener)) {
      const { device, inode, size, modifiedNs } = place.opened;
      const refused = this.#refuse(place, input, mapping);
      if (refused !== null) {
        closeDescriptor(place.opened.descriptor);
        if (refused === 'file_too_large') return refused;
        continue;
      }
      const file = this.table.use(`s:${device}:${inode}:${size}:${modifiedNs}`, 'elf');
      if (file.isOpen || file.level === 'none' || file.notElf) {
        closeDescriptor(place.opened.descriptor);
        return file;
      }
      const failed = await this.#take(file, place, '');
      return failed === null || file.notElf ? file : failed;
    }
    return gone(input.mappings.pid[mapping]!);
  }

  /** Opens a file that has a build id by one of the mappings of it. Null, or why not. */
  async open(file: SourceFile, input: SymbolInput, mappings: Iterable<number>): Promise<Reason | null> {
    let reason: Reason = 'file_gone';
    for (const mapping of mappings) {
      reason = gone(input.mappings.pid[mapping]!);
      for await (const place of places(input, mapping, this.opener)) {
        const refused = this.#refuse(place, input, mapping);
        if (refused !== null) {
          closeDescriptor(place.opened.descriptor);
          if (refused === 'file_too_large') return refused;
          continue;
        }
        const failed = await this.#take(file, place, file.buildId);
        if (failed === null || failed === 'file_damaged' || file.notElf) return failed;
        reason = 'file_gone';
      }
    }
    return reason;
  }

  /** Why this place cannot be the file, by what is known without reading it. */
  #refuse(place: Place, input: SymbolInput, mapping: number): Reason | null {
    if (place.opened.size > this.options.maxFileBytes) return 'file_too_large';
    if (input.mappings.buildId[mapping] !== '' || place.mapped) return null;
    // Nothing but the inode tells that this is the file that ran, and not one that has its name now.
    return place.opened.inode === input.mappings.inode[mapping] ? null : 'file_gone';
  }

  /** Reads the headers and looks for debug files. `buildId` '' = any. */
  async #take(file: SourceFile, place: Place, buildId: string): Promise<Reason | null> {
    file.opened.push({ id: file.number, file: place.opened, role: 'self' });
    const description = await this.reader.describe(file);
    if (description === 'not-elf') {
      file.notElf = true;
      file.release();
      return 'no_symbols';
    }
    if (description === null) {
      file.release();
      return 'file_damaged';
    }
    if (buildId !== '' && description.buildId !== buildId) {
      await this.reader.forget(file);
      return 'file_gone';
    }
    file.buildId = description.buildId;
    await this.#attachDebug(file, place, description);
    return null;
  }

  async #attachDebug(file: SourceFile, place: Place, description: FileDescription): Promise<void> {
    let path = place.path;
    let last = description;
    let roots = [place.root, '/'];
    if (!description.hasDwarf) {
      const paths = debugPaths(path, description.buildId, description.debugLink);
      for await (const found of this.#open(roots, paths, place.opened)) {
        const attached = await this.reader.attach(file, found.opened, 'debug');
        if (file.level !== 'lines') return;
        if (attached === null || attached === true) continue;
        last = attached;
        path = found.path;
        roots = [found.root];
        break;
      }
    }
    if (last.supplementId === '') return;
    const paths = supplementPaths(path, last.supplement, last.supplementId);
    for await (const found of this.#open(roots, paths, place.opened)) {
      const attached = await this.reader.attach(file, found.opened, 'supplement');
      if (attached !== null || file.level !== 'lines') return;
    }
  }

  /** Every path in every root, but each file once; the caller takes what it is given. */
  async *#open(
    roots: string[],
    paths: string[],
    except: Opened,
  ): AsyncGenerator<{ opened: Opened; root: string; path: string }> {
    const identity = (opened: Opened): string => `${opened.device}:${opened.inode}`;
    const seen = new Set([identity(except)]);
    for (const root of new Set(roots)) {
      for (const path of new Set(paths)) {
        const opened = await this.opener.inRoot(root, path);
        if (opened === null) continue;
        if (seen.has(identity(opened)) || opened.size > this.options.maxFileBytes) {
          closeDescriptor(opened.descriptor);
          continue;
        }
        seen.add(identity(opened));
        yield { opened, root, path };
      }
    }
  }
}

function gone(pid: number): Reason {
  return existsSync(`/proc/${pid}`) ? 'file_gone' : 'process_gone';
}
