// SPDX-License-Identifier: Apache-2.0
import { cpus } from 'node:os';
import { measured } from './build.js';
import { JAVA_ROOTS, JAVA_RUNTIMES, javaPrograms } from './java.js';
import { suite } from './suite.js';

for (const version of measured(JAVA_RUNTIMES))
  suite({
    title: `Java, ${version}`,
    samples: 3000,
    seconds: 40,
    // They burn by the clock on the wall: what has to wait for a CPU burns less than it was told.
    sideBySide: cpus().length,
    roots: JAVA_ROOTS,
    bounds: { complete: 99, named: 99, exact: 99, share: 5 },
    programs: () => javaPrograms(version),
  });
