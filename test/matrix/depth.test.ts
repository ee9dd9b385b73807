// SPDX-License-Identifier: Apache-2.0
// A stack that is deeper than what is kept says so, and shows its innermost frames.
import { expect, test } from 'vitest';
import { isCalled } from './judge.js';
import { measure } from './measure.js';
import { nativePrograms } from './native.js';

test('a recursion of 2,000 calls is cut, and said to be', { timeout: 120_000 }, async () => {
  const { file, name } = nativePrograms()[0]!;
  const { samples } = await measure([{ name, command: [file, '600', 'deep_recursion=1'] }], {
    samples: 500,
    seconds: 20,
  });
  const inBurn = samples.filter(({ frames }) => frames.some(frame => isCalled(frame, 'burn')));
  expect(inBurn.reduce((sum, { count }) => sum + count, 0)).toBeGreaterThan(300);
  for (const { end, frames } of inBurn) {
    expect(end).toBe('depth');
    const recursions = frames.filter(frame => isCalled(frame, 'recurse')).length;
    // 255 words less those of burn and what it calls.
    expect(recursions).toBeGreaterThan(240);
    expect(recursions).toBeLessThan(255);
  }
});
