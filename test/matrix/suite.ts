// SPDX-License-Identifier: Apache-2.0
// The test of a group of programs that are sampled side by side. What was measured is kept for docs/matrix.md.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { judge, type Kind, type Verdict } from './judge.js';
import { measure, type Sample } from './measure.js';

/** The lowest numbers that a program may have. */
export interface Bounds {
  complete: number;
  named: number;
  exact: number;
  /** Points. */
  share: number;
}

export interface Subject {
  name: string;
  kinds: Kind[];
  /** Less SECONDS and NAME=WEIGHT… */
  command: string[];
}

export interface Group {
  /** Heading of its table. */
  title: string;
  /** In each program. At 3,000 samples, one percent is known to 0.2 points (standard error). */
  samples: number;
  /** Longest time to sample. */
  seconds: number;
  /** At a time; by default all of them. */
  sideBySide?: number;
  roots: RegExp;
  bounds: Bounds;
  /** Programs whose numbers are lower, and why. */
  exceptions?: { name: RegExp; bounds: Partial<Bounds>; why: string }[];
  /** Builds what is not there yet. */
  programs: () => Subject[];
}

const figures = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../build/test/matrix-figures');
export const slug = (text: string): string => text.replaceAll(/[^\w.]+/g, '-').toLowerCase();

export function suite(group: Group): void {
  describe(group.title, () => {
    const subjects = group.programs();
    const { sideBySide = subjects.length } = group;
    const samples: Sample[] = [];
    const verdicts: (Verdict & { program: string })[] = [];

    beforeAll(
      async () => {
        for (let at = 0; at < subjects.length; at += sideBySide) {
          const some = subjects.slice(at, at + sideBySide).map(({ name, command, kinds }) => ({
            name,
            command: [...command, '600', ...kinds.map(kind => `${kind.name}=${kind.weight}`)],
          }));
          samples.push(...(await measure(some, group)).samples);
        }
      },
      (group.seconds * Math.ceil(subjects.length / sideBySide) + 120) * 1000,
    );

    test.each(subjects)('$name', ({ name, kinds }) => {
      const verdict = judge(
        samples.filter(sample => sample.subject === name),
        { kinds, roots: group.roots },
      );
      verdicts.push({ program: name, ...verdict });
      mkdirSync(figures, { recursive: true });
      writeFileSync(
        path.join(figures, `${slug(group.title)}.json`),
        JSON.stringify({ title: group.title, exceptions: group.exceptions?.map(({ why }) => why), verdicts }),
      );

      const exception = group.exceptions?.find(one => one.name.test(name));
      const bounds = { ...group.bounds, ...exception?.bounds };
      const table = JSON.stringify(verdict, null, 1);
      expect(verdict.samples, 'samples').toBeGreaterThanOrEqual(Math.min(group.samples, 1000));
      expect(verdict.complete, `complete: ${table}`).toBeGreaterThanOrEqual(bounds.complete);
      expect(verdict.named, `named: ${table}`).toBeGreaterThanOrEqual(bounds.named);
      expect(verdict.exact, `exact: ${table}`).toBeGreaterThanOrEqual(bounds.exact);
      expect(Math.abs(verdict.share.deviation), `share: ${table}`).toBeLessThanOrEqual(bounds.share);
      // Every kind was seen.
      for (const kind of verdict.kinds) expect(kind.samples, kind.name).toBeGreaterThan(0);
    });
  });
}
