// SPDX-License-Identifier: Apache-2.0
import { NATIVE_ROOTS, nativePrograms } from './native.js';
import { suite } from './suite.js';

suite({
  title: 'C and C++',
  samples: 3000,
  seconds: 40,
  roots: NATIVE_ROOTS,
  bounds: { complete: 99, named: 99, exact: 99, share: 2 },
  exceptions: [
    {
      name: /gnu_debugdata/,
      bounds: { named: 98 },
      why: 'As Fedora makes it, .gnu_debugdata leaves out weak symbols: instances of templates have no name.',
    },
  ],
  programs: () => nativePrograms().map(({ file, ...rest }) => ({ ...rest, command: [file] })),
});
