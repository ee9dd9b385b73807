// SPDX-License-Identifier: Apache-2.0
import { NATIVE_ROOTS } from './native.js';
import { rustPrograms } from './rust.js';
import { suite } from './suite.js';

suite({
  title: 'Rust',
  samples: 3000,
  seconds: 30,
  roots: NATIVE_ROOTS,
  bounds: { complete: 99, named: 99, exact: 99, share: 2 },
  programs: () => rustPrograms().map(({ file, ...rest }) => ({ ...rest, command: [file] })),
});
