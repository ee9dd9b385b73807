// SPDX-License-Identifier: Apache-2.0
// schemathesis asks a real server for everything that /openapi.json describes, rightly and wrongly: no 5xx, and no answer
// that is not described.
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { pprof, type Running, server } from './fixtures.js';

const here = fileURLToPath(new URL('./schemathesis', import.meta.url));
const requirements = path.join(here, 'requirements.txt');
const cache =
  process.env.STACKWELL_CACHE ??
  path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'stackwell');
const environment = path.join(cache, 'schemathesis');
const marker = path.join(environment, 'requirements.txt');

/** Outside the checkout, made again when another version is wanted. */
function install(): string {
  const wanted = readFileSync(requirements, 'utf8');
  if (!existsSync(marker) || readFileSync(marker, 'utf8') !== wanted) {
    rmSync(environment, { recursive: true, force: true });
    execFileSync('python3', ['-m', 'venv', environment], { stdio: 'pipe' });
    execFileSync(path.join(environment, 'bin/pip'), ['install', '-q', '--no-deps', '-r', requirements], {
      stdio: 'pipe',
    });
    writeFileSync(marker, wanted);
  }
  return path.join(environment, 'bin/schemathesis');
}

let running: Running;
let command: string;
beforeAll(async () => {
  command = install();
  running = await server();
  for (const deploy of ['v1', 'v2'])
    await running.ingest(
      await pprof({ samples: [{ stack: ['leaf', 'main'], values: [3], labels: { pid: '1' } }] }),
      {
        name: `api{host=h,deploy=${deploy}}`,
      },
    );
}, 300_000);
afterAll(() => running?.stop());

it('every answer is described, and none is a 5xx', { timeout: 300_000 }, async () => {
  const { stdout } = await promisify(execFile)(
    command,
    [
      ...['--config-file', path.join(here, 'schemathesis.toml'), 'run', `${running.url}/openapi.json`],
      ...[
        '--phases',
        'examples,coverage,fuzzing',
        '--max-examples',
        '15',
        '--seed',
        '1',
        '--request-timeout',
        '30',
      ],
      // Which texts are queries, times and profiles no schema can say. Methods: not-found.test.ts, for TRACE with an address
      // that is too long is 431.
      ...['--checks', 'all', '--exclude-checks', 'positive_data_acceptance,unsupported_method', '--no-color'],
    ],
    { maxBuffer: 1 << 28, cwd: environment },
  ).catch(error => error as { stdout: string });
  const lines = stdout.split('\n').map(line => line.slice(0, 400));
  const failures = lines.findIndex(line => /=+ FAILURES =+/.test(line));
  expect(failures === -1 ? [] : lines.slice(failures, failures + 60)).toEqual([]);
  const counts = /Selected: (?<selected>\d+)\/(?<all>\d+)\s+Tested: (?<tested>\d+)/.exec(stdout)!.groups!;
  expect(counts).toMatchObject({ selected: counts.all, tested: counts.all });
  expect(Number(counts.all)).toBeGreaterThanOrEqual(40);
  expect(running.logged.filter(line => /is a defect|internal/i.test(line))).toEqual([]);
});
