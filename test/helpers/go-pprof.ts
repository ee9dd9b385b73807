// SPDX-License-Identifier: Apache-2.0
// What `go tool pprof` reads from a file, in numbers.
import { execFileSync } from 'node:child_process';

export interface GoTop {
  total: number;
  /** By name, without pprof's `(inline)`. */
  rows: Map<string, { flat: number; cum: number }>;
}

function pprof(...args: string[]): string {
  return execFileSync('go', ['tool', 'pprof', '-symbolize=none', ...args], {
    encoding: 'utf8',
    maxBuffer: 256 << 20,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** All rows, in whole nanoseconds. */
export function goTop(file: string): GoTop {
  const text = pprof('-top', '-nodecount=1000000', '-nodefraction=0', '-edgefraction=0', '-unit=ns', file);
  const value = '(-?[\\d.]+)(?:ns)?';
  const row = new RegExp(`^\\s*${value}\\s+[\\d.e+-]+%\\s+[\\d.e+-]+%\\s+${value}\\s+[\\d.e+-]+%\\s+(.*)$`);
  const total = new RegExp(`^Showing nodes accounting for .* of ${value} total$`, 'm').exec(text);
  const rows: GoTop['rows'] = new Map();
  for (const line of text.split('\n')) {
    const match = row.exec(line);
    if (match === null) continue;
    const name = match[3]!.replace(/ \((partial-)?inline\)$/, '');
    const seen = rows.get(name) ?? { flat: 0, cum: 0 };
    rows.set(name, { flat: seen.flat + Number(match[1]), cum: seen.cum + Number(match[2]) });
  }
  return { total: Number(total?.[1] ?? Number.NaN), rows };
}

export interface GoRaw {
  total: number;
  samples: number;
  /** Values of the samples whose innermost frame is this function; '' for those without a name. */
  flat: Map<string, number>;
}

/** What `-raw` prints: every sample with its locations, leaf first. */
export function goRaw(file: string): GoRaw {
  const lines = pprof('-raw', file).split('\n');
  const locationsAt = lines.indexOf('Locations');
  const names = new Map<number, string>();
  for (const line of lines.slice(locationsAt + 1, lines.indexOf('Mappings'))) {
    // `ID: ADDRESS M=MAPPING FUNCTION FILE:LINE:COLUMN s=START`; outer inlined frames follow on lines of their own.
    const match = /^\s*(\d+): 0x[0-9a-f]+ (?:M=\d+ )?(?:\[F\] )?(?:(.*) \S*:-?\d+:-?\d+ s=)?/.exec(line);
    if (match !== null) names.set(Number(match[1]), match[2] ?? '');
  }
  const flat: GoRaw['flat'] = new Map();
  let [total, samples] = [0, 0];
  // Two lines of head; sample labels are on lines of their own.
  for (const line of lines.slice(lines.indexOf('Samples:') + 2, locationsAt)) {
    const match = /^\s*(\d+):((?: \d+)*)\s*$/.exec(line);
    if (match === null) continue;
    const value = Number(match[1]);
    const leaf = names.get(Number(match[2]!.trim().split(' ')[0])) ?? '';
    total += value;
    samples++;
    flat.set(leaf, (flat.get(leaf) ?? 0) + value);
  }
  return { total, samples, flat };
}
