// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import { Tally } from '../../src/agent/profiling/tally.js';
import { REASONS, STACK_ENDS, type StackEnd } from '../../src/profile/types.js';

const CUT = 1;
const USER_CUT = 2;
const UNREADABLE = 8;

test.each<[end: StackEnd, flags: number, counted: StackEnd | 'complete']>([
  ['root', 0, 'complete'],
  ['no_user', 0, 'complete'],
  // What the kernel's part lacks is lacking, however far the user's part leads.
  ['root', CUT, 'depth'],
  ['no_user', CUT, 'depth'],
  ['root', UNREADABLE, 'unreadable'],
  ['no_user', UNREADABLE | CUT, 'unreadable'],
  // The user's part says more of why than the kernel's does.
  ['no_table', CUT, 'no_table'],
  ['unmapped', USER_CUT, 'unmapped'],
  ['depth', USER_CUT, 'depth'],
  ['jit', UNREADABLE, 'jit'],
])('a stack that ends with %s and flags %i counts as %s', (end, flags, counted) => {
  const tally = new Tally();
  tally.stack(STACK_ENDS.indexOf(end), flags, 7);
  const { samples, complete, incomplete, truncated } = tally.coverage({});
  expect({ samples, complete, incomplete, truncated }).toEqual({
    samples: 7,
    complete: counted === 'complete' ? 7 : 0,
    incomplete: counted === 'complete' ? {} : { [counted]: 7 },
    truncated: counted === 'depth' ? 7 : 0,
  });
});

test('an inlined function is a frame, and a location without a name is one', () => {
  const tally = new Tally();
  tally.location(0, 3, 10);
  tally.location(0, 1, 1);
  tally.location(1 + REASONS.indexOf('jit_unknown'), 0, 5);
  tally.location(1 + REASONS.indexOf('jit_unknown'), 0, 2);
  expect(tally.coverage({ counts_full: 1 })).toMatchObject({
    frames: 38,
    named: 31,
    unresolved: { jit_unknown: 7 },
    lost: { counts_full: 1 },
  });
});
