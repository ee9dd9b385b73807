// SPDX-License-Identifier: Apache-2.0
// What the Go compiler does with `GET /api/v1/pprof?pgo=go`: of a program that the agent sampled, and of one that was
// scraped. Without a profile it does none of it.
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { ownServer, scraping } from '../agent/scraping.js';
import { decodePprof, secondsOf } from '../helpers/pprof.js';
import { recordCpu } from '../helpers/record.js';
import { eventually, freePort, startHere, temporaryFolder } from '../helpers/stackwell.js';
import { program, sourcePath } from '../programs/build.js';
import { failure, pprof, type Running } from '../server/fixtures.js';

const source = sourcePath('go/pricing');

/** What the compiler says that it did with calls in `cart`. `ofAll`: as `go build -pgo` does it. */
function decisions(profile: string, ofAll = false): string[] {
  const out = path.join(temporaryFolder(), 'out');
  // `go build -pgo` compiles Go's own library with the profile, too, which takes a while: once is enough to see it work.
  const [pgo, flags] = ofAll ? [profile, '-m=2'] : ['off', `-m=2 -pgoprofile=${profile}`];
  const build = spawnSync(
    'go',
    ['build', `-pgo=${pgo}`, `-gcflags=stackwell.test/...=${flags}`, '-o', out, '.'],
    { cwd: source, env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false' }, encoding: 'utf8' },
  );
  expect(build.status).toBe(0);
  expect(build.stderr).not.toMatch(/warning|malformed|missing/i);
  const first =
    1 +
    readFileSync(path.join(source, 'main.go'), 'utf8')
      .split('\n')
      .findIndex(line => line.startsWith('func cart('));
  return build.stderr
    .split('\n')
    .map(line => /^\.\/main\.go:(\d+):\d+: ((?:inlining call to|PGO devirtualizing) .*)$/.exec(line))
    .flatMap(match =>
      match !== null && Number(match[1]) > first && Number(match[1]) < first + 8 ? [match[2]!] : [],
    )
    .sort();
}

const WITH_PROFILE = [
  'PGO devirtualizing interface call rule.Apply to (*Discount).Apply',
  'inlining call to (*Discount).Apply',
  'inlining call to fold[go.shape.uint64]',
  'inlining call to quote',
  'inlining call to tax.Add',
];

let server: Running;
const ask = (parameters: Record<string, string>) =>
  server.get('/api/v1/pprof', { pgo: 'go', from: 'now-10m', ...parameters });
async function download(query: string, more: Record<string, string> = {}): Promise<string> {
  const answer = await ask({ query, ...more });
  expect(answer.status).toBe(200);
  const file = path.join(temporaryFolder(), 'default.pgo');
  writeFileSync(file, Buffer.from(await answer.arrayBuffer()));
  return file;
}

beforeAll(() => {
  program('pricing');
});

test('without a profile, nothing of it is done', { timeout: 120_000 }, () => {
  expect(decisions('off', true)).toEqual([]);
});

test('a program that the agent sampled, stripped or not', { timeout: 180_000 }, async () => {
  server = await ownServer();
  const stripped = path.join(temporaryFolder(), 'stripped');
  execFileSync('go', ['build', '-ldflags=-s -w', '-o', stripped, '.'], {
    cwd: source,
    env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false' },
  });
  for (const [name, file] of [
    ['whole', program('pricing')],
    ['stripped', stripped],
  ] as const) {
    const pricing = startHere(file, ['40']);
    const recording = await recordCpu(pricing.pid, 5);
    await pricing.stop('SIGKILL');
    expect((await server.ingest(readFileSync(recording.path), { name })).status).toBe(200);
    const profile = await download(`{service_name="${name}"}`);
    expect(decisions(profile, name === 'whole')).toEqual(WITH_PROFILE);
    const { types, samples } = decodePprof(readFileSync(profile));
    expect(types).toEqual(['cpu/nanoseconds']);
    // Of Go alone: no kernel, no labels; all of its time.
    expect(
      samples.every(
        ({ frames, labels }) =>
          Object.keys(labels).length === 0 && frames.every(frame => /\.(go|s)$/.test(frame.file)),
      ),
    ).toBe(true);
    const seconds = samples.reduce((sum, { values }) => sum + values[0]!, 0) / 1e9;
    expect(seconds / secondsOf(recording.profile, 'cpu')).toBeGreaterThan(0.95);
    const names = new Set(samples.flatMap(({ frames }) => frames.map(frame => frame.name)));
    for (const wanted of [
      'main.fold[go.shape.uint64]',
      'stackwell.test/ledger/pricing/tax%2ev2.Add',
      'main.(*Discount).Apply',
    ])
      expect(names).toContain(wanted);
    // The recording itself will nearly do, too: instances of generic functions have the name that is shown there.
    if (name === 'whole')
      expect(decisions(recording.path)).toEqual(WITH_PROFILE.filter(text => !text.includes('fold')));
  }
});

test('a program that was scraped', { timeout: 120_000 }, async () => {
  server = await ownServer();
  const address = `127.0.0.1:${await freePort()}`;
  startHere(program('pricing'), ['60', address]);
  const { close, delivered } = await scraping(
    {
      interval: '6s',
      timeout: '5s',
      jobs: [
        {
          name: 'pricing',
          targets: [{ targets: [address] }],
          profiles: {
            memory: { enabled: false },
            goroutine: { enabled: false },
            mutex: { enabled: false },
            block: { enabled: false },
            process_cpu: { enabled: true, seconds: 4 },
          },
        },
      ],
    },
    server,
  );
  await eventually('a CPU profile', 30, () => delivered.length > 0 || null);
  await close();
  const query = '{service_name="pricing"}';
  await eventually('stored', 10, async () => (await ask({ query })).status === 200 || null);
  expect(decisions(await download(query))).toEqual(WITH_PROFILE);
  const counted = await download(query, { type: 'process_cpu:samples:count:cpu:nanoseconds' });
  expect(decodePprof(readFileSync(counted)).types).toEqual(['samples/count']);
});

test('what is no Go, or no CPU time, is refused', async () => {
  server = await ownServer();
  expect(await failure(await ask({}))).toEqual({ status: 422, code: 'SW_PGO_EMPTY' });
  await server.ingest(await pprof({ samples: [{ stack: ['a', 'b'], values: [5] }] }), { name: 'c' });
  expect(await failure(await ask({}))).toEqual({ status: 422, code: 'SW_PGO_EMPTY' });
  expect(await failure(await ask({ type: 'memory:inuse_space:bytes:space:bytes' }))).toEqual({
    status: 400,
    code: 'SW_REQUEST_INVALID',
  });
  expect(await failure(await ask({ pgo: 'rust' }))).toEqual({ status: 400, code: 'SW_REQUEST_INVALID' });
});
