// SPDX-License-Identifier: Apache-2.0
// Prints docs/errors.md from the table in src/errors.ts (built).
import { ERRORS } from '../dist/errors.js';

const lines = [
  '# Errors',
  '',
  'Made from `src/errors.ts` by `script/generate`. Codes are stable; texts may change.',
  '',
  'Over HTTP an error is `{"code", "message", "fix"}` with the status below.',
];
// Sorted by name: a reader comes with a code. Placeholders stay as they are written in the table.
for (const code of Object.keys(ERRORS).sort()) {
  const { status, message, fix } = ERRORS[code];
  const plain = text => text.replaceAll('<', '&lt;');
  lines.push('', `## ${code}`, '', `HTTP ${status}: ${plain(message)}`, '', plain(fix));
}
process.stdout.write(`${lines.join('\n')}\n`);
