// SPDX-License-Identifier: Apache-2.0
// Fills an outbox until it is killed: prints the content of each window that the outbox took responsibility for.
// It runs the compiled outbox when it is handed its path: argv is module, folder.
import { writeSync } from 'node:fs';

const [, , module, folder] = process.argv;
const { Outbox } = await import(module);
const outbox = await Outbox.open({ folder, maxBytes: 1e9, maxAgeMs: 1e9 });
for (let i = 0; ; i++) {
  const text = `window ${i} `;
  const kept = await outbox.add(Buffer.from(text.repeat(1 + (i % 2000))));
  // Straight into the pipe: what was said before the kill is said.
  if (kept) writeSync(1, `${text.trim()}\n`);
}
