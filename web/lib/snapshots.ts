// SPDX-License-Identifier: Apache-2.0
// Memory in use, or goroutines, are there at a moment: a sum over an hour of scrapes would be of nothing. What is shown
// is the average snapshot.
import { isSnapshot } from '../../src/profile/types.js';

interface Values {
  profiles: number;
  sum: number;
  start?: ArrayLike<number>;
  total: ArrayLike<number>;
  self: ArrayLike<number>;
}

/** The answer by snapshot where its type is one, as it is otherwise. */
export function averageSnapshots<T extends Values>(type: string, answer: T): T {
  const { profiles, sum, start, total, self } = answer;
  if (!isSnapshot(type) || profiles < 2) return answer;
  const average = (column: ArrayLike<number>) => Array.from(column, value => value / profiles);
  return {
    ...answer,
    sum: sum / profiles,
    ...(start === undefined ? {} : { start: average(start) }),
    total: average(total),
    self: average(self),
  };
}
