// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { StackwellError } from '../errors.js';
import { type Coverage, coverageLines } from '../profile/coverage.js';
import { OFF_CPU, ON_CPU } from '../profile/types.js';
import { ask } from './ask.js';
import { print, say, table } from './output.js';

interface QueryFlags {
  server: string;
  query: string;
  type: string;
  from: string;
  until: string;
  format: string;
  limit: string;
  output?: string;
  json?: boolean;
}

/** Where each format is asked for, and whether it is text for a terminal. */
const FORMATS: Record<string, { path: string; format?: string; binary?: boolean }> = {
  top: { path: 'top' },
  json: { path: 'flamegraph', format: 'json' },
  folded: { path: 'flamegraph', format: 'folded' },
  svg: { path: 'flamegraph', format: 'svg' },
  speedscope: { path: 'flamegraph', format: 'speedscope' },
  flamebearer: { path: 'flamegraph', format: 'flamebearer' },
  html: { path: 'flamegraph', format: 'html' },
  pprof: { path: 'pprof', binary: true },
  timeline: { path: 'timeline' },
  types: { path: 'types' },
  labels: { path: 'labels' },
};

export function typeId(name: string): string {
  return name === 'cpu' ? ON_CPU : name === 'offcpu' ? OFF_CPU : name;
}

/** Characters of a function's name in a table. */
const MAX_NAME = 100;

interface TopAnswer {
  sum: number;
  unit: string;
  functions: { name: string[]; file: string[]; module: string[]; reason: string[] };
  self: number[];
  total: number[];
  warnings?: string[];
  stats: Coverage;
}

/** Names with template arguments run over pages; both ends tell what it is. */
function shorten(name: string): string {
  return name.length <= MAX_NAME ? name : `${name.slice(0, MAX_NAME - 31)}…${name.slice(-30)}`;
}

function formatTop(top: TopAnswer, limit: number): string {
  const seconds = top.unit === 'nanoseconds';
  const amount = (value: number) => (seconds ? `${(value / 1e9).toFixed(2)}s` : String(value));
  const percent = (value: number) => `${((100 * value) / (top.sum || 1)).toFixed(1)}%`;
  const rows = top.self
    .slice(0, limit)
    .map((self, i) => [
      amount(self),
      percent(self),
      amount(top.total[i]!),
      percent(top.total[i]!),
      top.functions.reason[i] === ''
        ? shorten(top.functions.name[i]!)
        : `${shorten(top.functions.name[i]!)} (${top.functions.reason[i]})`,
      top.functions.module[i]!,
    ]);
  return table(['SELF', '', 'TOTAL', '', 'FUNCTION', 'MODULE'], rows);
}

export function addQuery(program: Command): void {
  program
    .command('query')
    .description('ask a server: top functions, flame graph, pprof')
    .option('--server <url>', 'server to ask', 'http://127.0.0.1:4040')
    .option('--query <matchers>', 'e.g. {service_name="checkout", pid="123"}', '{}')
    .option('--type <type>', 'cpu, offcpu, or a type id', 'cpu')
    .option('--from <time>', 'RFC 3339, Unix milliseconds or relative', 'now-15m')
    .option('--until <time>', 'likewise', 'now')
    .option('--format <format>', Object.keys(FORMATS).join(', '), 'top')
    .option('--limit <rows>', 'rows of the table', '30')
    .option('-o, --output <file>', 'write there instead of standard output')
    .option('--json', 'print the answer as JSON')
    .action(async (flags: QueryFlags) => {
      const chosen = FORMATS[flags.format];
      if (chosen === undefined)
        throw new StackwellError('SW_USAGE', {
          reason: `--format ${flags.format} is not one of ${Object.keys(FORMATS).join(', ')}`,
        });
      if (chosen.binary === true && flags.output === undefined && process.stdout.isTTY)
        throw new StackwellError('SW_USAGE', { reason: 'pprof is binary: give a file with -o' });
      const body = await ask(flags.server, chosen.path, {
        parameters: {
          query: flags.query,
          type: typeId(flags.type),
          from: flags.from,
          until: flags.until,
          ...(chosen.format === undefined ? {} : { format: chosen.format }),
        },
      });
      const top =
        flags.format === 'top' && flags.json !== true ? (JSON.parse(body.toString()) as TopAnswer) : null;
      const answer = top === null ? body : `${formatTop(top, Number(flags.limit))}\n`;
      for (const line of top === null ? [] : coverageLines(top.stats)) say(line);
      if (flags.output === undefined) {
        if (chosen.binary === true) process.stdout.write(answer);
        else print(answer.toString());
        return;
      }
      try {
        writeFileSync(flags.output, answer);
      } catch (error) {
        throw new StackwellError(
          'SW_OUTPUT',
          { path: flags.output, reason: (error as Error).message },
          error,
        );
      }
    });
}
