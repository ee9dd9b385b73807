// SPDX-License-Identifier: Apache-2.0
// Profiles for some seconds into a file, without a server.
import { type Command, Option } from 'commander';
import type { RecordResult } from '../agent/record.js';
import { optimizeRarely } from '../agent/tiering.js';
import { durationMs } from '../config/config.js';
import { StackwellError } from '../errors.js';
import { coverageLines, ranked, sumOf } from '../profile/coverage.js';
import { print, progressBar, say } from './output.js';
import { checkWritable, formatOf, save } from './record-output.js';

interface RecordFlags {
  pid?: string;
  container?: string;
  host?: boolean;
  type: string;
  hz: string;
  seconds: string;
  offCpuMin: string;
  attach: boolean;
  output: string;
  json?: boolean;
}

const TYPES = ['cpu', 'offcpu'] as const;
type Type = (typeof TYPES)[number];

function usage(reason: string): StackwellError {
  return new StackwellError('SW_USAGE', { reason });
}

function positive(flag: string, text: string, max: number): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0 || value > max)
    throw usage(`${flag} ${text}: a number above 0 and at most ${max} is needed`);
  return value;
}

function scopeOf(flags: RecordFlags) {
  const given = [flags.pid, flags.container, flags.host].filter(one => one !== undefined).length;
  if (given !== 1) throw usage('give one of --pid, --container and --host');
  if (flags.pid !== undefined) {
    if (!/^[1-9]\d{0,9}$/.test(flags.pid)) throw usage(`--pid ${flags.pid} is not a process id`);
    return { kind: 'process' as const, pid: Number(flags.pid) };
  }
  if (flags.container !== undefined) return { kind: 'container' as const, id: flags.container };
  return { kind: 'host' as const };
}

/** `12 (counts_full 9, stack_missing 3)`. */
function byCause(counts: Record<string, number>): string {
  const detail = ranked(counts).map(([cause, count]) => `${cause} ${count}`);
  return detail.length === 0 ? '0' : `${sumOf(counts)} (${detail.join(', ')})`;
}

async function run(flags: RecordFlags): Promise<void> {
  const scope = scopeOf(flags);
  const types = flags.type.split(',').map(type => type.trim()) as Type[];
  for (const type of types)
    if (!TYPES.includes(type)) throw usage(`--type ${type} is not one of ${TYPES.join(', ')}`);
  formatOf(flags.output);
  const seconds = positive('--seconds', flags.seconds, 86_400);
  const hz = positive('--hz', flags.hz, 999);
  let offCpuMinNs: number;
  try {
    offCpuMinNs = durationMs(flags.offCpuMin) * 1e6;
  } catch (error) {
    throw usage(`--off-cpu-min: ${(error as Error).message}`);
  }
  checkWritable(flags.output);
  optimizeRarely();
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  const bar = progressBar('recording');
  let result: RecordResult;
  let files: string[];
  try {
    const { record } = await import('../agent/record.js');
    result = await record({
      scope,
      types: [...new Set(types)],
      hz,
      seconds,
      offCpuMinNs,
      attach: flags.attach,
      signal: stop.signal,
      onBegin: () => say(`recording for ${seconds} s`),
      onProgress: ({ elapsedSeconds, samples }) =>
        bar.update(
          elapsedSeconds / seconds,
          `${elapsedSeconds.toFixed(0)} of ${seconds} s, ${samples} samples`,
        ),
    });
    files = await save(result, flags.output);
  } finally {
    bar.done();
  }
  const { stats } = result;
  if (flags.json === true) print(JSON.stringify({ files, ...stats }));
  say(
    `${files.join(', ')}: ${stats.seconds.toFixed(1)} s, ${stats.samples} samples, lost ${byCause(stats.lost)}`,
  );
  for (const line of coverageLines(stats)) say(line);
}

export function addRecord(program: Command): void {
  program
    .command('record')
    .description('profile a process, a container or the host into a file; needs root, but no server')
    .option('--pid <pid>', 'this process with its threads and children')
    .option('--container <id>', 'this container')
    .option('--host', 'everything')
    .option('--type <types>', 'cpu, offcpu, or both with a comma', 'cpu')
    .option('--hz <rate>', 'on-CPU samples per second and CPU', '99')
    .option('--seconds <seconds>', 'how long', '10')
    .option('--off-cpu-min <duration>', 'shorter waits are not recorded', '1ms')
    .option('--no-attach', 'do not ask Java virtual machines that cannot be read for a perf map')
    .addOption(
      new Option(
        '-o, --output <file>',
        'the ending says the format: .pb.gz, .svg, .folded, .speedscope.json',
      ).default('profile.pb.gz'),
    )
    .option('--json', 'print the closing statistics as JSON')
    .action(run);
}
