// SPDX-License-Identifier: Apache-2.0
// The shapes that kernel files come in.

/** Lines of a name and a whole number, as in vmstat, cpu.stat and memory.stat; other lines are left out. */
export function keyed(text: string | null): Map<string, number> {
  const values = new Map<string, number>();
  for (const line of (text ?? '').split('\n')) {
    const at = line.indexOf(' ');
    const value = at > 0 ? Number(line.slice(at + 1)) : Number.NaN;
    if (!Number.isNaN(value)) values.set(line.slice(0, at), value);
  }
  return values;
}

/** Fields of each line that is not empty. */
export function fields(text: string | null): string[][] {
  return (text ?? '')
    .split('\n')
    .filter(line => line.trim() !== '')
    .map(line => line.trim().split(/\s+/));
}

/** A file of one number; null when it is not there, or says `max`. */
export function number(text: string | null): number | null {
  const value = text === null || text.trim() === '' ? Number.NaN : Number(text);
  return Number.isNaN(value) ? null : value;
}

/** Microseconds that some, and that all tasks waited for a resource: the totals of a PSI file (Linux 4.20). */
export function pressure(text: string | null): { some: number; full: number } | null {
  const total = (kind: string) => Number(new RegExp(`^${kind} .*total=(\\d+)`, 'm').exec(text ?? '')?.[1]);
  const some = total('some');
  return Number.isNaN(some) ? null : { some, full: total('full') || 0 };
}
