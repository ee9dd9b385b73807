// SPDX-License-Identifier: Apache-2.0
// profilecli, the command line of Grafana Pyroscope, sends a profile and asks for it in all its ways, over its three
// protocols. What it sends is in profilecli.json, and is sent again here; where the program itself is there, it runs, too:
// ${PROFILECLI:-~/.cache/stackwell-peers/bin/profilecli}, built by bench/peers/build-pyroscope.sh. With RECORD=1 what it
// sends is written to profilecli.json anew.
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decode, type ProfileColumns } from '#native/profile';
import type { Profile } from '../../src/server/gen/google/v1/profile_pb.js';
import {
  SelectMergeStacktracesResponseSchema,
  SelectSeriesResponseSchema,
  SeriesResponseSchema,
} from '../../src/server/gen/querier/v1/querier_pb.js';
import {
  LabelNamesResponseSchema,
  LabelValuesResponseSchema,
} from '../../src/server/gen/types/v1/types_pb.js';
import { temporaryFolder } from '../helpers/stackwell.js';
import { pprof, type Running, server } from '../server/fixtures.js';
import { type Answer, type RecordedRequest, Recorder, send } from './recording.js';
import { errorOf, messageOf } from './rpc-answer.js';

const run = promisify(execFile);
const FIXTURE = fileURLToPath(new URL('profilecli.json', import.meta.url));
const PROGRAM = process.env.PROFILECLI ?? join(homedir(), '.cache/stackwell-peers/bin/profilecli');
const PROTOCOLS = ['connect', 'grpc', 'grpc-web'] as const;

/** Long ago, so that no clock is behind it; the server keeps profiles for longer than that. */
const TIME = Date.UTC(2026, 0, 1, 12);
const RANGE = ['--from=2026-01-01T11:30:00Z', '--to=2026-01-01T12:30:00Z'];
const KEEP = '36500d';
const retention = { maxAge: KEEP, minutes: KEEP, tenMinutes: KEEP, hours: KEEP, days: KEEP };
const SPAN = '9a517183f26a089d';

const SAMPLES = [
  { stack: ['parse', 'handle', 'main'], values: [1_000], labels: { span_id: SPAN } },
  { stack: ['render', 'handle', 'main'], values: [20_000] },
  { stack: ['handle', 'main'], values: [300_000] },
  { stack: ['idle', 'main'], values: [4_000_000] },
];
const PARSE = { parse: 1_000 };
const ALL = { parse: 1_000, render: 20_000, handle: 300_000, idle: 4_000_000 };

/** Values by the function of the leaf. */
type Leaves = Record<string, number>;

function leavesOf({ sample, location, function: functions, stringTable }: Profile): Leaves {
  const byId = new Map(functions.map(({ id, name }) => [id, stringTable[Number(name)]!]));
  const names = new Map(location.map(({ id, line }) => [id, byId.get(line[0]!.functionId)!]));
  return Object.fromEntries(
    sample.map(({ locationId, value }) => [names.get(locationId[0]!), Number(value[0])]),
  );
}

function leavesOfColumns({ samples, locations, lines, functions, strings }: ProfileColumns): Leaves {
  const leaf = (row: number) => samples.location[samples.locationOffset[row]!]!;
  const name = (row: number) => strings[functions.name[lines.function[locations.lineOffset[row]!]!]!]!;
  return Object.fromEntries(Array.from(samples.values, (value, row) => [name(leaf(row)), Number(value)]));
}

/** Nodes with a value of their own, of a tree as it is serialized. */
function leavesOfTree(bytes: Uint8Array): Leaves {
  const found: Leaves = {};
  let at = 0;
  const number = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const length = number();
    const name = Buffer.from(bytes.subarray(at, at + length)).toString();
    at += length;
    const self = number();
    if (self > 0) found[name] = self;
    number();
  }
  return found;
}

interface Command {
  name: string;
  /** `{file}` is the profile that is sent, `{out}` one that is written. */
  args: string[];
  expected: unknown;
  /** What the program made of it. */
  printed(stdout: string, out: string): unknown;
  /** What its requests are answered with. */
  answered(requests: RecordedRequest[], answers: Answer[]): unknown;
  fails?: boolean;
}

const fromFile = async (_: string, out: string) => leavesOfColumns(await decode(readFileSync(out)));
const fromPprof = ([request]: RecordedRequest[], [answer]: Answer[]) =>
  leavesOf(messageOf(SelectMergeStacktracesResponseSchema, request!, answer!).pprof!.profile!);
const fromTree = ([request]: RecordedRequest[], [answer]: Answer[]) =>
  leavesOfTree(messageOf(SelectMergeStacktracesResponseSchema, request!, answer!).tree);
const profile = (name: string, expected: Leaves, ...more: string[]): Command => ({
  name,
  args: ['query', 'profile', ...RANGE, '--output=pprof={out}', ...more],
  expected,
  printed: fromFile,
  answered: fromPprof,
});

const COMMANDS: Command[] = [
  {
    name: 'ready',
    args: ['ready'],
    expected: 'ready',
    printed: stdout => (/msg=ready/.test(stdout) ? 'ready' : stdout),
    answered: (_, [answer]) => answer!.body.toString(),
  },
  {
    name: 'upload',
    args: ['upload', '--extra-labels=service_name=shop', '--extra-labels=deploy=v1', '{file}'],
    expected: '',
    printed: () => '',
    answered: ([request], [answer]) => errorOf(request!, answer!),
  },
  {
    name: 'series',
    args: [
      'query',
      'series',
      ...RANGE,
      '--label-names=service_name',
      '--label-names=__profile_type__',
      '--output=json',
    ],
    expected: [{ service_name: 'shop', __profile_type__: 'process_cpu:cpu:nanoseconds:cpu:nanoseconds' }],
    printed: stdout => (JSON.parse(stdout) as { series: unknown }).series,
    answered: ([request], [answer]) =>
      messageOf(SeriesResponseSchema, request!, answer!).labelsSet.map(({ labels }) =>
        Object.fromEntries(labels.map(({ name, value }) => [name, value])),
      ),
  },
  profile('profile', ALL, '--query={service_name="shop"}'),
  profile(
    'profile below a call site',
    { parse: 1_000, render: 20_000, handle: 300_000 },
    '--stacktrace-selector=main',
    '--stacktrace-selector=handle',
  ),
  profile('profile of a span', PARSE, `--span-selector=${SPAN}`),
  profile('profile with few nodes', ALL, '--max-nodes=8192'),
  { ...profile('profile, names only', ALL, '--function-names-only'), answered: fromTree },
  {
    ...profile('profile for Go', ALL),
    args: ['query', 'go-pgo', ...RANGE, '--output=pprof={out}'],
  },
  {
    name: 'top',
    args: ['query', 'top', ...RANGE, '--label-names=deploy', '--output=json'],
    expected: [['v1', 4_321_000]],
    printed: stdout =>
      (JSON.parse(stdout) as { series: { labels: { deploy: string }; total: number }[] }).series.map(
        ({ labels, total }) => [labels.deploy, total],
      ),
    answered: ([request], [answer]) =>
      messageOf(SelectSeriesResponseSchema, request!, answer!).series.map(({ labels, points }) => [
        labels[0]!.value,
        points.reduce((sum, { value }) => sum + value, 0),
      ]),
  },
  {
    name: 'exemplars',
    args: ['query', 'exemplars', 'profile', ...RANGE, '--output=json'],
    expected: [4_321_000],
    printed: stdout =>
      (JSON.parse(stdout) as { exemplars: { value: number }[] }).exemplars.map(({ value }) => value),
    answered: ([request], [answer]) =>
      messageOf(SelectSeriesResponseSchema, request!, answer!).series.flatMap(({ points }) =>
        points.flatMap(({ exemplars }) => exemplars.map(({ value }) => Number(value))),
      ),
  },
  {
    name: 'cardinality',
    args: ['query', 'label-values-cardinality', ...RANGE],
    expected: 9,
    printed: stdout => [...stdout.matchAll(/^\|\s*([a-z_]+)\s*\|\s*1\s*\|$/gm)].length,
    answered: ([names, ...values], [first, ...rest]) => {
      const found = messageOf(LabelNamesResponseSchema, names!, first!).names;
      expect(values).toHaveLength(found.length);
      for (const [row, request] of values.entries())
        expect(messageOf(LabelValuesResponseSchema, request, rest[row]!).names).toHaveLength(1);
      return found.length;
    },
  },
  {
    name: 'span exemplars',
    args: ['query', 'exemplars', 'span', ...RANGE],
    expected: 'refused',
    printed: stdout => (/unimplemented/i.test(stdout) ? 'refused' : stdout),
    answered: ([request], [answer]) =>
      /^(unimplemented|grpc-status 12)$/.test(errorOf(request!, answer!)) ? 'refused' : 'answered',
    fails: true,
  },
];

interface Fixture {
  /** Requests of each protocol and command. */
  [protocol: string]: Record<string, RecordedRequest[]>;
}

const isThere = existsSync(PROGRAM);
const isRecording = process.env.RECORD === '1';
const fixture: Fixture = isRecording ? {} : (JSON.parse(readFileSync(FIXTURE, 'utf8')) as Fixture);

describe.each(PROTOCOLS)('requests of profilecli over %s', protocol => {
  let running: Running;
  beforeAll(async () => {
    running = await server({ retention });
  });
  afterAll(() => running.stop());

  it.each(COMMANDS)('$name', async ({ name, expected, answered }) => {
    if (isRecording) return;
    const requests = fixture[protocol]![name]!;
    // The program speaks HTTP/1.1; where a proxy is between, gRPC comes over HTTP/2.
    for (const httpVersion of protocol === 'grpc' ? (['1.1', '2.0'] as const) : (['1.1'] as const)) {
      const answers: Answer[] = [];
      for (const request of requests) answers.push(await send(running.url, { ...request, httpVersion }));
      expect(answered(requests, answers)).toEqual(expected);
    }
  });
});

describe.runIf(isThere).each(PROTOCOLS)('profilecli itself over %s', protocol => {
  let running: Running;
  let recorder: Recorder;
  let url: string;
  beforeAll(async () => {
    running = await server({ retention });
    recorder = new Recorder(running.url);
    url = await recorder.listen();
  });
  afterAll(async () => {
    recorder.close();
    await running.stop();
  });

  it.each(COMMANDS)('$name', async ({ name, args, expected, printed, fails = false }) => {
    const folder = temporaryFolder();
    const [file, out] = [join(folder, 'in.pb.gz'), join(folder, 'out.pb.gz')];
    writeFileSync(file, await pprof({ time: TIME, samples: SAMPLES }));
    const filled = args.map(one => one.replace('{file}', file).replace('{out}', out));
    const before = recorder.requests.length;
    const { stdout, stderr, failed } = await run(PROGRAM, [
      ...filled,
      `--url=${url}`,
      `--protocol=${protocol}`,
    ]).then(
      done => ({ ...done, failed: false }),
      (thrown: { stdout: string; stderr: string }) => ({ ...thrown, failed: true }),
    );
    if (failed !== fails) throw new Error(stderr);
    expect(await printed(stdout || stderr, out)).toEqual(expected);
    fixture[protocol] ??= {};
    fixture[protocol][name] = recorder.requests.slice(before);
    expect(fixture[protocol][name].length).toBeGreaterThan(0);
    if (isRecording) writeFileSync(FIXTURE, `${JSON.stringify(fixture, null, 1)}\n`);
  });

  it('a profile by the id that it was sent with', async () => {
    const folder = temporaryFolder();
    const [file, out] = [join(folder, 'in.pb.gz'), join(folder, 'out.pb.gz')];
    writeFileSync(file, await pprof({ time: TIME, samples: [{ stack: ['once'], values: [5] }] }));
    const common = [`--url=${url}`, `--protocol=${protocol}`];
    const { stderr } = await run(PROGRAM, ['upload', ...common, '--extra-labels=service_name=other', file]);
    const id = /\bid=([0-9a-f-]{36})/.exec(stderr)![1]!;
    await run(PROGRAM, [
      'query',
      'profile',
      ...common,
      ...RANGE,
      `--profile-id=${id}`,
      `--output=pprof=${out}`,
    ]);
    expect(await fromFile('', out)).toEqual({ once: 5 });
  });
});
