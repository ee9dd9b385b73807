// SPDX-License-Identifier: Apache-2.0
import { measured } from './build.js';
import { JAVA_ROOTS, JAVA_RUNTIMES, javaPrograms } from './java.js';
import { suite } from './suite.js';

for (const version of measured(JAVA_RUNTIMES))
  suite({
    title: `Java, ${version}`,
    samples: 3000,
    seconds: 40,
    roots: JAVA_ROOTS,
    bounds: { complete: 99, named: 99, exact: 99, share: 5 },
    programs: () => javaPrograms(version),
  });
