// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { type Sample, secondsOf, through } from '../helpers/pprof.js';
import { recordCpu } from '../helpers/record.js';
import { errorCode, stackwell, startHere, temporaryFolder } from '../helpers/stackwell.js';
import { lineOf, program } from '../programs/build.js';

const SHARES = { price_items: 0.6, apply_discounts: 0.3, add_tax: 0.1 };
const method = (name: string) => new RegExp(`^shop::Cart::${name}\\b`);

test('C++: shares of three functions, one of them inlined, with file and line', {
  timeout: 60_000,
}, async () => {
  const shares = startHere(program('shares'), ['40']);
  const { profile } = await recordCpu(shares.pid!, 8);

  expect(profile.types).toEqual(['cpu/nanoseconds']);
  expect(Math.abs(profile.period - 1e9 / 397)).toBeLessThan(1);
  const total = secondsOf(profile, 'cpu', through(/^main$/));
  expect(total).toBeGreaterThan(1);
  // One thread cannot have used more than the time there was.
  expect(secondsOf(profile, 'cpu')).toBeLessThan(profile.durationSeconds * 1.03);

  for (const [name, share] of Object.entries(SHARES)) {
    const part = secondsOf(profile, 'cpu', through(method(name))) / total;
    expect(part, name).toBeGreaterThan(share - 0.05);
    expect(part, name).toBeLessThan(share + 0.05);

    const burn = lineOf('shares.cc', `// burn: ${name}`);
    const call = lineOf('shares.cc', `// call: ${name}`);
    const leafHere = (sample: Sample) => method(name).test(sample.frames[0]!.name);
    const atLine = (sample: Sample) => {
      const [leaf, caller] = sample.frames;
      return (
        leafHere(sample) &&
        leaf!.file.endsWith('test/programs/shares.cc') &&
        // The body of the loop, or its counter on the line above.
        (leaf!.line === burn || leaf!.line === burn - 1) &&
        method('checkout').test(caller!.name) &&
        caller!.file.endsWith('test/programs/shares.cc') &&
        caller!.line === call
      );
    };
    // A sample may fall on the first or last instruction of a call, where line and caller are others.
    expect(secondsOf(profile, 'cpu', atLine), name).toBeGreaterThan(
      0.97 * secondsOf(profile, 'cpu', leafHere),
    );
    expect(secondsOf(profile, 'cpu', leafHere), name).toBeGreaterThan(0.9 * part * total);
  }
});

test('record writes folded stacks and an SVG as well', { timeout: 60_000 }, async () => {
  const shares = startHere(program('shares'), ['40']);
  const folder = temporaryFolder();
  for (const format of ['folded', 'svg']) {
    const output = path.join(folder, `out.${format}`);
    const finished = await stackwell(
      'record',
      '--pid',
      String(shares.pid),
      '--hz',
      '199',
      '--seconds',
      '2',
      '-o',
      output,
    );
    expect(errorCode(finished)).toBe('');
    expect(finished.code).toBe(0);
    expect(finished.stdout).toBe('');
    expect(finished.stderr).toMatch(/samples/);
    expect(finished.stderr).toMatch(/lost/);
    expect(finished.stderr).toMatch(/^[\d.>]+ % of samples reach the root(; .* \w+)?$/m);
    expect(finished.stderr).toMatch(/^[\d.>]+ % of frames named(; .* \w+)?$/m);
    const text = readFileSync(output, 'utf8');
    if (format === 'svg') {
      expect(text).toMatch(/^(<\?xml[^>]*>\s*)?(<!DOCTYPE[^>]*>\s*)?<svg /);
      expect(text.trimEnd()).toMatch(/<\/svg>$/);
      expect(text).toContain('shop::Cart::price_items');
    } else {
      const lines = text.trimEnd().split('\n');
      expect(lines.every(line => /^\S.* \d+$/.test(line))).toBe(true);
      // Root first, as flame graph tools read it.
      expect(lines.some(line => /main;shop::Cart::checkout[^;]*;shop::Cart::price_items/.test(line))).toBe(
        true,
      );
    }
  }
});
