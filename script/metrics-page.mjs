// SPDX-License-Identifier: Apache-2.0
// Prints docs/metrics.md from the collectors (built).
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { COLLECTORS } from '../dist/agent/metrics/collectors.js';

const cell = text => text.replaceAll('|', '\\|');
const lines = [
  '# Metrics of the kernel',
  '',
  'Made from `src/agent/metrics` by `script/generate`.',
  '',
  'The agent serves them at `agent.metricsListen`, beside [its own](agent.md#metrics). Every series has the labels `host` and',
  '`region`; names with `container` are of one container and have `container` (its name, else the first digits of its id),',
  '`pod` and `namespace`, too. At most `agent.maxContainers` containers have series of their own; the others share',
  '`container="(others)"`, and `stackwell_agent_containers_omitted` counts them.',
  '',
  'A collector is switched off, or set, in `agent.metrics.NAME`. One that cannot work here says why once, in the log, and has',
  '`stackwell_agent_collector_up` 0; the others go on. What its BPF programs cost is in',
  '`stackwell_agent_program_run_seconds_total`, while `kernel.bpf_stats_enabled` is 1.',
];
for (const { name, about, families, options } of COLLECTORS) {
  lines.push('', `## ${name}`, '', `${about[0].toUpperCase()}${about.slice(1)}.`, '');
  lines.push('| metric | kind | |', '| --- | --- | --- |');
  for (const family of families)
    lines.push(`| \`stackwell_${name}_${family.name}\` | ${family.type} | ${cell(family.help)} |`);
  const { properties = {} } = z.toJSONSchema(options, { io: 'input' });
  for (const [key, { description = '', default: value }] of Object.entries(properties))
    lines.push('', `\`agent.metrics.${name}.${key}\`: ${description}. Default: \`${JSON.stringify(value)}\``);
}
const { machine, rounds, reached, programs } = JSON.parse(
  readFileSync(new URL('../bench/results/metrics.json', import.meta.url), 'utf8'),
);
const median = numbers => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
/** Against none of the same round. */
const against = (load, kind, what) =>
  median(reached[load][kind].map((one, round) => one[what] / reached[load].none[round][what]));
const percent = ratio => `${(100 * ratio).toFixed(1)} %`;
lines.push(
  '',
  '## What they cost',
  '',
  `\`bench/metrics.mjs\`, ${machine.date.slice(0, 10)}, ${machine.cpu}, Linux ${machine.kernel}: hackbench does nothing but wake`,
  `and switch, fio reads 4 kB at a time. Medians of ${rounds} rounds, each against one without collectors; rounds differ by`,
  'some percent among themselves.',
  '',
  '| collectors | hackbench, slower | fio, fewer reads | fio, p99 |',
  '| --- | ---: | ---: | ---: |',
);
for (const kind of Object.keys(reached.fio).filter(kind => kind !== 'none'))
  lines.push(
    `| ${kind} | ${percent(1 / against('hackbench', kind, 'rate') - 1)} | ${percent(1 - against('fio', kind, 'rate'))} | ${percent(against('fio', kind, 'p99') - 1)} |`,
  );
lines.push('', '| program | ns a run, with what counting them costs |', '| --- | ---: |');
for (const [name, { ns }] of Object.entries(programs)) lines.push(`| ${name} | ${ns.toFixed(0)} |`);
process.stdout.write(`${lines.join('\n')}\n`);
