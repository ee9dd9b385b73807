// SPDX-License-Identifier: Apache-2.0
// Profiles for some seconds into a file, without a server.
import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { decode, encode, Merger } from '#native/profile';
import type { RecordResult } from '../agent/record.js';
import { durationMs } from '../config/config.js';
import { StackwellError } from '../errors.js';
import { toFolded } from '../profile/formats/folded.js';
import { toSpeedscope } from '../profile/formats/speedscope.js';
import { toSvg } from '../profile/formats/svg.js';
import { combineTypes } from './combine.js';
import { print, progressBar, say } from './output.js';

interface RecordFlags {
  pid?: string;
  container?: string;
  host?: boolean;
  type: string;
  hz: string;
  seconds: string;
  offCpuMin: string;
  output: string;
  json?: boolean;
}

const TYPES = ['cpu', 'offcpu'] as const;
type Type = (typeof TYPES)[number];

type Format = 'pprof' | 'svg' | 'folded' | 'speedscope';
const ENDINGS: [ending: string, format: Format][] = [
  ['.pb.gz', 'pprof'],
  ['.pprof', 'pprof'],
  ['.svg', 'svg'],
  ['.folded', 'folded'],
  ['.speedscope.json', 'speedscope'],
];

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

/** `out.svg` and type offcpu: `out.offcpu.svg`. */
function withType(path: string, ending: string, type: string): string {
  return `${path.slice(0, -ending.length)}.${type}${ending}`;
}

/** Before sampling starts: the seconds should not be lost to a typing mistake in the path. */
function checkWritable(path: string): void {
  const probe = `${path}.${process.pid}.tmp`;
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) throw new Error('it is a folder');
    writeFileSync(probe, '');
    rmSync(probe);
  } catch (error) {
    throw new StackwellError('SW_OUTPUT', { path, reason: (error as Error).message }, error);
  }
}

/** Under another name first, so that nothing half written is ever seen under this one. */
function write(path: string, content: string | Uint8Array): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, content);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new StackwellError('SW_OUTPUT', { path, reason: (error as Error).message }, error);
  }
}

async function render(format: Exclude<Format, 'pprof'>, pprof: Uint8Array, title: string): Promise<string> {
  const merger = new Merger();
  await merger.addPprof(pprof);
  const flame = await merger.flamegraph(format === 'svg' ? { maxNodes: 8192 } : {});
  if (format === 'svg') return toSvg(flame, { title, unit: 'nanoseconds' });
  if (format === 'folded') return toFolded(flame);
  return JSON.stringify(toSpeedscope(flame, { name: title, unit: 'nanoseconds' }));
}

/** Writes what was recorded; returns the names of the files. */
async function save(result: RecordResult, path: string, ending: string, format: Format): Promise<string[]> {
  const { profiles } = result;
  if (format === 'pprof') {
    const only = profiles[0];
    const bytes =
      profiles.length === 1 && only !== undefined
        ? only.pprof
        : await encode(combineTypes(await Promise.all(profiles.map(one => decode(one.pprof)))), {
            gzipLevel: 6,
          });
    write(path, bytes);
    return [path];
  }
  const files: string[] = [];
  for (const { type, pprof } of profiles) {
    const file = profiles.length === 1 ? path : withType(path, ending, type);
    write(file, await render(format, pprof, type === 'cpu' ? 'On-CPU' : 'Off-CPU'));
    files.push(file);
  }
  return files;
}

const sum = (counts: Record<string, number>) => Object.values(counts).reduce((all, one) => all + one, 0);

/** `12 (no_symbols 9, unmapped 3)`. */
function byCause(counts: Record<string, number>): string {
  const causes = Object.entries(counts).filter(([, count]) => count > 0);
  const detail = causes.map(([cause, count]) => `${cause} ${count}`).join(', ');
  return detail === '' ? '0' : `${sum(counts)} (${detail})`;
}

async function run(flags: RecordFlags): Promise<void> {
  const scope = scopeOf(flags);
  const types = flags.type.split(',').map(type => type.trim()) as Type[];
  for (const type of types)
    if (!TYPES.includes(type)) throw usage(`--type ${type} is not one of ${TYPES.join(', ')}`);
  const found = ENDINGS.find(([ending]) => flags.output.endsWith(ending));
  if (found === undefined)
    throw usage(
      `-o ${flags.output}: the ending says the format: ${ENDINGS.map(([ending]) => ending).join(', ')}`,
    );
  const [ending, format] = found;
  const seconds = positive('--seconds', flags.seconds, 86_400);
  const hz = positive('--hz', flags.hz, 999);
  let offCpuMinNs: number;
  try {
    offCpuMinNs = durationMs(flags.offCpuMin) * 1e6;
  } catch (error) {
    throw usage(`--off-cpu-min: ${(error as Error).message}`);
  }
  checkWritable(flags.output);
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
      signal: stop.signal,
      onProgress: ({ elapsedSeconds, samples }) =>
        bar.update(
          elapsedSeconds / seconds,
          `${elapsedSeconds.toFixed(0)} of ${seconds} s, ${samples} samples`,
        ),
    });
    files = await save(result, flags.output, ending, format);
  } finally {
    bar.done();
  }
  const { stats } = result;
  if (flags.json === true) print(JSON.stringify({ files, ...stats }));
  say(
    `${files.join(', ')}: ${stats.seconds.toFixed(1)} s, ${stats.samples} samples, lost ${byCause(stats.lost)}, ` +
      `unresolved ${byCause(stats.unresolved)}, truncated ${stats.truncated}`,
  );
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
    .addOption(
      new Option(
        '-o, --output <file>',
        'the ending says the format: .pb.gz, .svg, .folded, .speedscope.json',
      ).default('profile.pb.gz'),
    )
    .option('--json', 'print the closing statistics as JSON')
    .action(run);
}
