// SPDX-License-Identifier: Apache-2.0
// Standard output carries the answer and nothing else; everything said to a person goes to standard error.
import { asStackwellError } from '../errors.js';

export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

export function print(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

/** `SW_…: what happened` and what to do about it. */
export function sayError(error: unknown): void {
  const known = asStackwellError(error);
  say(`${known.code}: ${known.message}\n  ${known.fix}`);
  if (known.code === 'SW_INTERNAL' && error instanceof Error && error.stack !== undefined) say(error.stack);
}

/** Columns padded to their widest cell; numbers to the right. */
export function table(head: string[], rows: (string | number)[][]): string {
  const cells = [head, ...rows.map(row => row.map(String))];
  const widths = head.map((_, column) => Math.max(...cells.map(row => row[column]!.length)));
  const right = head.map(
    (_, column) => rows.length > 0 && rows.every(row => /^[\d.,%+-]/.test(String(row[column]))),
  );
  return cells
    .map(row =>
      row
        .map((cell, column) =>
          right[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** A bar on a terminal, nothing elsewhere. Call with 0…1; `done` takes it away. */
export function progressBar(label: string): { update(part: number, note: string): void; done(): void } {
  if (!process.stderr.isTTY) return { update() {}, done() {} };
  const width = 30;
  return {
    update(part, note) {
      const full = Math.round(Math.min(1, Math.max(0, part)) * width);
      process.stderr.write(`\r${label} ${'█'.repeat(full)}${'░'.repeat(width - full)} ${note}\x1b[K`);
    },
    done() {
      process.stderr.write('\r\x1b[K');
    },
  };
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  while (bytes >= 1000 && unit < units.length - 1) {
    bytes /= 1000;
    unit++;
  }
  return `${unit === 0 ? bytes : bytes.toFixed(1)} ${units[unit]}`;
}
