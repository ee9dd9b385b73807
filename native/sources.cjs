// SPDX-License-Identifier: Apache-2.0
// Lists the C++ sources of the addon in the current folder, so that a new file needs no second entry.
const { readdirSync } = require('node:fs');
for (const name of readdirSync('.').sort())
  if (name.endsWith('.cc') && !name.endsWith('_test.cc')) console.log(name);
