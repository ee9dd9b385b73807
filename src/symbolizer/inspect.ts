// SPDX-License-Identifier: Apache-2.0
// What a file is that someone hands us. Its headers are read by a child of its own: one that crashes over them, or
// takes its time, keeps nobody else waiting.
import { symbolizerPath } from './child.js';
import type { FileDescription } from './protocol.js';
import { Reader } from './reader.js';
import { FileTable, type Held } from './source-file.js';

const MEMORY_BYTES = 512 * 1024 * 1024;
const TIMEOUT_MS = 10_000;

/**
 * Takes the descriptor over. Null when the file is damaged, 'not-elf' when it is something else. Rejects with
 * SW_SYMBOLIZER.
 */
export async function inspect(held: Held): Promise<FileDescription | 'not-elf' | null> {
  const table = new FileTable({ files: 1, bytes: Number.POSITIVE_INFINITY });
  const reader = new Reader(table, {
    path: symbolizerPath(),
    memoryBytes: MEMORY_BYTES,
    residentBytes: Number.POSITIVE_INFINITY,
    descriptors: 16,
    timeoutMs: TIMEOUT_MS,
    coldTimeoutMs: TIMEOUT_MS,
  });
  const file = table.use('inspected', 'elf');
  file.opened.push({ id: file.number, file: held, role: 'self' });
  try {
    return await reader.describe(file);
  } finally {
    await reader.close();
  }
}
