// SPDX-License-Identifier: Apache-2.0
import type { FunctionTable } from '../flame/search.js';

/** Functions with any value whose name, module or file has the text, in the order wanted; ties by the other value. */
export function sortedRows(
  table: FunctionTable,
  filter: string,
  sort: 'self' | 'total' | 'name',
): Uint32Array {
  const { name, module, file } = table.functions;
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const rows: number[] = [];
  for (let i = 0; i < name.length; i++) {
    if (table.self[i] === 0 && table.total[i] === 0) continue;
    if (words.length > 0) {
      const hay = `${name[i]} ${module[i]} ${file[i]}`.toLowerCase();
      if (!words.every(word => hay.includes(word))) continue;
    }
    rows.push(i);
  }
  const { self, total } = table;
  if (sort === 'name') rows.sort((a, b) => (name[a]! < name[b]! ? -1 : name[a]! > name[b]! ? 1 : 0));
  else if (sort === 'self') rows.sort((a, b) => self[b]! - self[a]! || total[b]! - total[a]!);
  else rows.sort((a, b) => total[b]! - total[a]! || self[b]! - self[a]!);
  return Uint32Array.from(rows);
}
