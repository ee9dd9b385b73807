// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clockComment, coverageComments, readComments } from '../../src/profile/comments.js';
import { addCoverage, type Coverage, coverageLines, noCoverage } from '../../src/profile/coverage.js';
import { endText, reasonText } from '../../src/profile/reasons.js';
import { REASONS, STACK_ENDS } from '../../src/profile/types.js';

const source = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

const count = fc.integer({ min: 0, max: 1e9 });
const counts = fc.dictionary(fc.stringMatching(/^[a-z][a-z0-9_]{0,11}$/), count.filter(Boolean), {
  maxKeys: 6,
});
const coverage: fc.Arbitrary<Coverage> = fc.record({
  samples: count,
  complete: count,
  incomplete: counts,
  truncated: count,
  frames: count,
  named: count,
  perfmap: count,
  unresolved: counts,
  lost: counts,
});

describe('comments', () => {
  it('bring back what was written, and add up when profiles are put together', () => {
    fc.assert(
      fc.property(coverage, coverage, (a, b) => {
        const written = [...coverageComments(a), clockComment('cpu-clock')];
        expect(readComments(written)).toEqual({ ...a, clock: 'cpu-clock' });
        const sum = noCoverage();
        for (const one of [a, b]) addCoverage(sum, one);
        expect(readComments([[...coverageComments(a), ...coverageComments(b)].join('\n')])).toEqual({
          ...sum,
          clock: '',
        });
      }),
    );
  });

  it('of others say nothing', () => {
    const texts = ['', 'samples 5', 'stackwell.samples', 'stackwell.samples x', 'stackwell.samples -1'];
    texts.push('stackwell.samples 1e300', 'stackwell.incomplete. 4', 'stackwell.incomplete.A 4');
    texts.push('stackwell.lost.__proto__ 4', 'stackwell.toString 4', 'stackwell.reason no_symbols 1,2');
    expect(readComments(texts)).toEqual({ ...noCoverage(), clock: '' });
    expect(readComments(['stackwell.lost.constructor 4', 'stackwell.lost.constructor 3']).lost).toEqual({
      constructor: 7,
    });
    const many = Array.from({ length: 1000 }, (_, i) => `stackwell.unresolved.x${i} 1`);
    expect(Object.keys(readComments(many).unresolved).length).toBe(64);
  });
});

describe('lines', () => {
  it('say how much is whole and named, and why the rest is not, most first', () => {
    const stats = {
      ...noCoverage(),
      complete: 994,
      incomplete: { unreadable: 2, no_table: 4 },
      frames: 10_000,
      named: 9_910,
      perfmap: 250,
      unresolved: { jit_unknown: 30, no_symbols: 60 },
    };
    expect(coverageLines(stats)).toEqual([
      '99.4 % of samples reach the root; 0.40 % no_table, 0.20 % unreadable',
      '99.1 % of frames named; 0.60 % no_symbols, 0.30 % jit_unknown',
      '2.5 % of frames named by perf maps that Java was asked for',
    ]);
  });

  it('say all only of all, and nothing where nothing is known', () => {
    const stats = { ...noCoverage(), complete: 99_999, incomplete: { depth: 1 }, frames: 5, named: 5 };
    expect(coverageLines(stats)).toEqual([
      '>99.9 % of samples reach the root; <0.01 % depth',
      '100 % of frames named',
    ]);
    expect(coverageLines({ ...noCoverage(), samples: 9 })).toEqual([]);
  });
});

describe('ends and reasons', () => {
  it('are the same list in the kernel', () => {
    const body = /enum sw_end \{([^}]*)\}/.exec(source('bpf/profile/sample.h'))![1]!;
    expect([...body.matchAll(/SW_END_(\w+)/g)].map(match => match[1]!.toLowerCase())).toEqual([
      ...STACK_ENDS,
    ]);
  });

  it('each have a sentence, and a row in the docs', () => {
    for (const [text, names, page] of [
      [endText, STACK_ENDS, 'docs/coverage.md'],
      [reasonText, REASONS, 'docs/symbols.md'],
    ] as const) {
      const sentences = names.map(text);
      expect(new Set(sentences).size).toBe(names.length);
      for (const [i, name] of names.entries()) {
        expect(sentences[i]!.split(' ').length).toBeGreaterThan(5);
        expect(source(page)).toMatch(new RegExp(`^\\| \`${name}\` +\\|`, 'm'));
      }
    }
    expect(endText('of_another_writer')).toBe('of another writer');
    expect(reasonText('constructor')).toBe('constructor');
  });
});
