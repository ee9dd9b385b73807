// SPDX-License-Identifier: Apache-2.0
import { measured } from './build.js';
import { GO_ROOTS, GO_VERSIONS, goPrograms } from './go.js';
import { suite } from './suite.js';

for (const version of measured(GO_VERSIONS))
  suite({
    title: `Go, ${version === 'local' ? 'as installed' : version}`,
    samples: 3000,
    seconds: 40,
    roots: GO_ROOTS,
    bounds: { complete: 99, named: 99, exact: 99, share: 3 },
    exceptions: [
      {
        name: /cgo, -s -w/,
        bounds: { named: 98 },
        why: 'A stripped program has no names for its C functions, in which a twelfth of the time is spent.',
      },
    ],
    programs: () => goPrograms(version).map(({ file, ...rest }) => ({ ...rest, command: [file] })),
  });
