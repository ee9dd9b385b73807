// SPDX-License-Identifier: Apache-2.0
// `stackwell diff`: two files, selections or deploys; and the gate of a pipeline.
import { existsSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { StackwellError } from '../../errors.js';
import { diffSvgChunks, formatChange } from '../../profile/formats/diff-svg.js';
import { rankInputOf } from '../../profile/statistics/answer.js';
import { type GateResult, judge, parseGate } from '../../profile/statistics/gate.js';
import { NORMALIZATIONS, type NormalizationKind } from '../../profile/statistics/normalization.js';
import { SIGNIFICANT } from '../../profile/statistics/ranking.js';
import { print, say } from '../output.js';
import { typeId } from '../query.js';
import { type DiffAnswer, gateInputOf } from './comparison.js';
import { report } from './report.js';
import { type Asking, compareDeploys, compareSelections, parseTarget } from './server.js';

/** Exit codes, with --fail-on. 1 and 2 are errors, as everywhere. */
const EXIT = { pass: 0, regression: 3, too_little_data: 4 } as const;

interface Flags {
  server: string;
  type: string;
  sampleType?: string;
  normalization: NormalizationKind;
  factor: string;
  by?: string;
  withoutRules: string;
  limit: string;
  maxNodes: string;
  format: string;
  output?: string;
  json?: boolean;
  failOn?: string;
  mustSee: string;
  from?: string;
  until?: string;
  baseFrom?: string;
  baseUntil?: string;
  headFrom?: string;
  headUntil?: string;
}

interface Made {
  answer: DiffAnswer;
  left: string;
  right: string;
}

export function addDiff(program: Command): void {
  program
    .command('diff <before> [after]')
    .description(
      'what got dearer and what cheaper, and whether that is real; two pprof files, selections or deploys',
    )
    .option('--server <url>', 'server to ask', 'http://127.0.0.1:4040')
    .option('--type <type>', 'cpu, offcpu, or a type id', 'cpu')
    .option('--sample-type <name>', 'of files: which values; the last when absent')
    .option('--from <time>', 'of selections: RFC 3339, Unix milliseconds or relative (default: now-15m)')
    .option('--until <time>', 'likewise (default: now)')
    .option('--base-from <time>', 'of the one before, in place of --from')
    .option('--base-until <time>', 'likewise')
    .option('--head-from <time>', 'of the one after')
    .option('--head-until <time>', 'likewise')
    .option('--normalization <kind>', NORMALIZATIONS.join(', '), 'stable')
    .option('--factor <number>', 'for --normalization factor', '1')
    .option('--by <times>', 'self or total (default: what --fail-on is about, else self)')
    .option(
      '--without-rules <ids>',
      'matching rules that are not used, with commas; all turns every one off',
      '',
    )
    .option('--limit <rows>', 'most functions in a table', '20')
    .option('--max-nodes <nodes>', 'most nodes of the picture', '8192')
    .option('--format <format>', 'table, json or svg', 'table')
    .option('--json', 'the same as --format json')
    .option('-o, --output <file>', 'write there instead of standard output')
    .option(
      '--fail-on <condition>',
      `e.g. 'self > 5% and q < 0.01': exit with 3 when a function is so, 4 when there is too little data to tell`,
    )
    .option(
      '--must-see <change>',
      'with --fail-on: exit with 4 unless a change of this would have been found in the greatest function',
      '25%',
    )
    .addHelpText(
      'after',
      `
<before> and <after> are files (cpu.pb.gz), selections ('{service_name="checkout", deploy="v41"}') or deploys
(checkout@v41). With a service alone (checkout), its newest deploy is compared with the one before it.`,
    )
    .action(async (before: string, after: string | undefined, flags: Flags) => {
      const format = flags.json === true ? 'json' : flags.format;
      choice('--format', format, ['table', 'json', 'svg']);
      choice('--normalization', flags.normalization, NORMALIZATIONS);
      if (flags.by !== undefined) choice('--by', flags.by, ['self', 'total']);
      const gate = flags.failOn === undefined ? null : parseGate(flags.failOn);
      const by = (flags.by ?? gate?.by ?? 'self') as 'self' | 'total';
      const made = await make(before, after, flags);
      for (const warning of [...made.answer.left.warnings, ...made.answer.right.warnings])
        say(`warning: ${warning}`);
      const judged =
        gate && judge(gate, gateInputOf(made.answer, gate.by), percent('--must-see', flags.mustSee));
      const told = report(made.answer, by, count('--limit', flags.limit));
      write(flags.output, render(format, made, told, by, judged));
      if (judged === null) return;
      say(verdict(judged, flags.failOn!));
      process.exitCode = EXIT[judged.outcome];
    });
}

async function make(before: string, after: string | undefined, flags: Flags): Promise<Made> {
  const isFile = (text: string) => !text.startsWith('{') && existsSync(text);
  const files = [before, after].filter(text => text !== undefined && isFile(text)).length;
  if (after !== undefined && files === 2) {
    const { compareFiles } = await import('./files.js');
    const { rulesOf } = await import('../../server/api/comparing.js');
    const answer = await compareFiles(before, after, {
      maxNodes: count('--max-nodes', flags.maxNodes),
      without: rulesOf(flags.withoutRules),
      normalization: flags.normalization,
      factor: Number(flags.factor),
      sampleType: flags.sampleType,
    });
    return { answer, left: before, right: after };
  }
  if (files === 1 && after !== undefined)
    throw new StackwellError('SW_USAGE', { reason: 'a file can only be compared with a file' });
  const asking: Asking = {
    server: flags.server,
    parameters: {
      type: typeId(flags.type),
      normalization: flags.normalization,
      factor: flags.factor,
      without_rules: flags.withoutRules,
      max_nodes: flags.maxNodes,
    },
    times: given({
      from: flags.from,
      until: flags.until,
      'base-from': flags.baseFrom,
      'base-until': flags.baseUntil,
      'head-from': flags.headFrom,
      'head-until': flags.headUntil,
    }),
  };
  if (after === undefined) {
    if (before.startsWith('{'))
      throw new StackwellError('SW_USAGE', { reason: 'a selection takes another one to be compared with' });
    return named(before, await compareDeploys(before, {}, asking));
  }
  const [left, right] = [parseTarget(before), parseTarget(after)];
  if (left.deploy !== undefined && right.deploy !== undefined && left.deploy.service === right.deploy.service)
    return named(
      left.deploy.service,
      await compareDeploys(left.deploy.service, { base: left.deploy.name, head: right.deploy.name }, asking),
    );
  return { answer: await compareSelections(left, right, asking), left: left.text, right: right.text };
}

function named(
  service: string,
  { answer, base, head }: { answer: DiffAnswer; base: string; head: string },
): Made {
  return { answer, left: `${service}@${base}`, right: `${service}@${head}` };
}

function given<T extends object>(values: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}

function choice(flag: string, value: string, choices: readonly string[]): void {
  if (!choices.includes(value))
    throw new StackwellError('SW_USAGE', { reason: `${flag} ${value} is not one of ${choices.join(', ')}` });
}

function count(flag: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new StackwellError('SW_USAGE', { reason: `${flag} ${text} is not a whole number from 1` });
  return value;
}

/** '25%' or 0.25. */
function percent(flag: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(%?)$/.exec(text);
  if (match === null)
    throw new StackwellError('SW_USAGE', { reason: `${flag} ${text} is not a part such as 25%` });
  return Number(match[1]) / (match[2] === '%' ? 100 : 1);
}

function render(
  format: string,
  { answer, left, right }: Made,
  told: ReturnType<typeof report>,
  by: 'self' | 'total',
  judged: GateResult | null,
): string {
  if (format === 'table') return `${left} → ${right}\n\n${told.text}`;
  if (format === 'svg') {
    const { functions, comparison } = rankInputOf(answer, 'total');
    const real = new Set(
      functions.name.flatMap((name, row) =>
        comparison.q[row]! < SIGNIFICANT ? [`${name}\n${functions.file[row]}`] : [],
      ),
    );
    return [
      ...diffSvgChunks(answer, {
        title: `${left} → ${right}`,
        unit: answer.unit,
        scale: answer.normalization,
        isReal: (name, file) => real.has(`${name}\n${file}`),
      }),
    ].join('');
  }
  const { statistics, left: before, right: after, type, unit, normalization, matching } = answer;
  const about = (
    { sum, seconds, instances, profiles, from, until, warnings }: DiffAnswer['left'],
    name: string,
  ) => ({
    name,
    from,
    until,
    profiles,
    sum: Number(sum),
    seconds,
    instances,
    warnings,
  });
  return `${JSON.stringify(
    {
      type,
      unit,
      before: about(before, left),
      after: about(after, right),
      normalization,
      matching: matching.map(({ id }) => id),
      verdict: told.verdict,
      by,
      regressions: told.lists.regressions,
      improvements: told.lists.improvements,
      tested: statistics.functions.name.length,
      untested: statistics.untested,
      replicates: { before: statistics.replicates.left, after: statistics.replicates.right },
      detectable: statistics.detectable,
      ...(judged && { gate: judged }),
    },
    null,
    2,
  )}\n`;
}

function verdict({ outcome, failing, seen }: GateResult, condition: string): string {
  const part = (value: number) => `${Number((100 * value).toPrecision(2))} %`;
  const power =
    seen === null
      ? ''
      : ` (in ${seen.share === 1 ? 'everything' : `the greatest function, with ${part(seen.share)} of all`}, a change of ${part(seen.change)} would have been found)`;
  if (outcome === 'pass') return `passed: nothing is ${condition}${power}`;
  if (outcome === 'too_little_data')
    return `too little data to tell whether anything is ${condition}${power || ': there is nothing to tell it by'}`;
  const [first] = failing;
  if (first === undefined) return `failed: it is ${condition}`;
  const more = failing.length > 1 ? `, and ${failing.length - 1} more` : '';
  return `failed: ${first.function} is ${condition} (${formatChange(first.change)}, q ${first.q.toPrecision(2)})${more}`;
}

function write(path: string | undefined, text: string): void {
  if (path === undefined) {
    print(text);
    return;
  }
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw new StackwellError('SW_OUTPUT', { path, reason: (error as Error).message }, error);
  }
}
