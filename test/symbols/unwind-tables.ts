// SPDX-License-Identifier: Apache-2.0
// Tables of files, and look-ups in them as the unwinder does them, for tests.
import { Opener } from '../../src/symbolizer/opener.js';
import { Reader } from '../../src/symbolizer/reader.js';
import { FileTable, type SourceFile } from '../../src/symbolizer/source-file.js';
import { describeTable, type UnwindTable } from '../../src/symbolizer/unwind-table.js';
import { BINARY } from './fixtures.js';

const MiB = 2 ** 20;

export class Tables {
  readonly files = new FileTable({ files: 64, bytes: 2 ** 34 });
  readonly reader = new Reader(this.files, {
    path: BINARY,
    memoryBytes: 512 * MiB,
    residentBytes: 1024 * MiB,
    descriptors: 256,
    timeoutMs: 2000,
    coldTimeoutMs: 10_000,
  });

  async open(path: string): Promise<SourceFile> {
    const opened = await this.#opened(path);
    const file = this.files.use(path, 'elf');
    file.opened.push({ id: file.number, file: opened, role: 'self' });
    await this.reader.describe(file);
    return file;
  }

  /** With a debug file attached, if one is given. */
  async of(path: string, debug?: string): Promise<Table> {
    const file = await this.open(path);
    if (debug !== undefined) await this.reader.attach(file, await this.#opened(debug), 'debug');
    const payload = await this.reader.unwindTable(file);
    await this.reader.forget(file);
    if (payload === null) throw new Error(`${path} has no table`);
    return new Table(payload);
  }

  async #opened(path: string): Promise<SourceFile['opened'][number]['file']> {
    const opened = await new Opener(2000).inRoot('/', path);
    if (opened === null) throw new Error(`${path} cannot be opened`);
    return opened;
  }

  close(): Promise<void> {
    return this.reader.close();
  }
}

const BLOCK = 4096;
const KIND = { none: 0, sp: 1, fp: 2, plt: 3, signal: 4, end: 5, spRead: 6, fpRead: 7 } as const;
const AT_FP = 0xfff;

/** A rule of x86-64 in the words of readelf. */
export interface Rule {
  kind: keyof typeof KIND;
  /** `rsp+8`; '' where there is none. */
  cfa: string;
  /** `c-16`; `same`. */
  rbp: string;
  /** For `none`: code whose rule does not fit, and not a place without any. */
  unsaid: boolean;
}

export class Table {
  readonly description: UnwindTable;
  readonly #view: DataView;

  constructor(payload: Uint8Array) {
    this.description = describeTable(payload);
    this.#view = new DataView(payload.buffer, payload.byteOffset + 16, payload.byteLength - 16);
  }

  /** The word at a file offset. */
  find(offset: number): number {
    const { root, levels } = this.description;
    const view = this.#view;
    /** The last of `count` keys that is not past the offset; -1 if all are. */
    const last = (count: number, key: (index: number) => number): number => {
      let found = -1;
      for (let low = 0, high = count - 1; low <= high; ) {
        const middle = (low + high) >> 1;
        if (key(middle) <= offset) {
          found = middle;
          low = middle + 1;
        } else {
          high = middle - 1;
        }
      }
      return found;
    };
    let at = root * BLOCK;
    for (let level = 1; level < levels; level++) {
      const child = last(view.getUint32(at, true), i => view.getUint32(at + 8 + i * 4, true));
      if (child < 0) return 0;
      at = view.getUint32(at + 8 + (511 + child) * 4, true) * BLOCK;
    }
    if (levels === 0) return 0;
    const base = view.getUint32(at, true);
    const row = last(view.getUint16(at + 4, true), i => base + view.getUint16(at + 8 + i * 2, true));
    return row < 0 ? 0 : view.getUint32(at + 8 + 680 * 2 + row * 4, true);
  }

  rule(offset: number): Rule {
    const word = this.find(offset);
    const kind = Object.entries(KIND).find(([, number]) => number === (word & 15))![0] as Rule['kind'];
    const signed = (number: number): string => (number < 0 ? `${number}` : `+${number}`);
    const wide = signed((word >> 16) * 8);
    const read = (register: string): string => {
      const add = (word >>> 24) * 8;
      return `*(${register}${signed(((word << 8) >> 24) * 8)})${add > 0 ? `+${add}` : ''}`;
    };
    const cfa = { sp: `rsp${wide}`, fp: `rbp${wide}`, spRead: read('rsp'), fpRead: read('rbp') };
    const slot = (word >>> 4) & 0xfff;
    return {
      kind,
      cfa: kind in cfa ? cfa[kind as keyof typeof cfa] : '',
      rbp: slot === 0 ? 'same' : slot === AT_FP ? '*(rbp)' : `c-${slot * 8}`,
      unsaid: kind === 'none' && word !== 0,
    };
  }
}
