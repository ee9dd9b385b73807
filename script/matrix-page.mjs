// SPDX-License-Identifier: Apache-2.0
// Prints docs/matrix.md from what test/matrix has measured last (build/test/matrix-figures).
import { readdirSync, readFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../build/test/matrix-figures/', import.meta.url));
const groups = readdirSync(folder)
  .filter(file => file.endsWith('.json'))
  .sort()
  .map(file => JSON.parse(readFileSync(folder + file, 'utf8')));

const percent = number => number.toFixed(2).replace(/\.?0+$/, '');
const points = ({ deviation, kind }) => `${deviation > 0 ? '+' : ''}${deviation.toFixed(1)} (${kind})`;

const lines = [
  '# Kinds of code, and how whole their stacks are',
  '',
  'Made by `script/matrix`, which builds the programs of `test/matrix/programs` in all the ways below, samples them at',
  `997 Hz and compares every stack with what is known of the program. Measured on ${new Date().toISOString().slice(0, 10)},`,
  `Linux ${release().split('-')[0]}, ${cpus().length} CPUs; the tests hold each program to the bounds in \`test/matrix/*.test.ts\`.`,
  '',
  '- **reach the root**: percent of the on-CPU samples whose stack says it is complete, and whose outermost frame is one',
  '  that a thread, goroutine or process begins with.',
  '- **named**: percent of all frames that have a name.',
  '- **whole chain**: of the samples in an innermost function that is known, percent with every call of the source, in its',
  '  order, and nothing else between them.',
  '- **share**: the function whose share of the samples differs most from what it was told to burn, in points.',
];
for (const { title, exceptions = [], verdicts } of groups) {
  lines.push(
    '',
    `## ${title}`,
    '',
    '| program | samples | reach the root | named | whole chain | share | not complete |',
    '| --- | ---: | ---: | ---: | ---: | --- | --- |',
  );
  for (const { program, samples, complete, named, exact, share, ends } of verdicts)
    lines.push(
      `| ${program} | ${samples} | ${percent(complete)} | ${percent(named)} | ${percent(exact)} | ${points(share)} | ${Object.entries(
        ends,
      )
        .map(([end, count]) => `${end} ${count}`)
        .join(', ')} |`,
    );
  for (const why of exceptions) lines.push('', why);
}
process.stdout.write(`${lines.join('\n')}\n`);
