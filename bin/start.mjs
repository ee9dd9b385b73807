// SPDX-License-Identifier: Apache-2.0
// What bin/stackwell runs.
import { existsSync } from 'node:fs';

const [major] = process.versions.node.split('.');
if (Number(major) < 20) {
  process.stderr.write(`SW_USAGE: Stackwell needs Node.js 20 or later, this is ${process.version}.\n`);
  process.exit(2);
}
const main = new URL('../build/cli/main.js', import.meta.url);
if (!existsSync(main)) {
  process.stderr.write('SW_NATIVE_MISSING: this checkout is not built. Run script/build.\n');
  process.exit(1);
}
await import(main.href);
