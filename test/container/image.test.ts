// SPDX-License-Identifier: Apache-2.0
// Builds both images with buildah, and runs them with what the documentation gives them.
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const MINUTES = 60_000;
const working: string[] = [];
const children: ChildProcess[] = [];

async function buildah(...args: string[]): Promise<string> {
  const { stdout } = await run('buildah', args, { cwd: root, maxBuffer: 64 << 20 });
  return stdout.trim();
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

/** What buildah gives a container that asks for nothing. Its `--cap-drop all` would also drop what is added. */
const DEFAULT_CAPABILITIES = [
  ...[
    'CAP_AUDIT_WRITE',
    'CAP_CHOWN',
    'CAP_DAC_OVERRIDE',
    'CAP_FOWNER',
    'CAP_FSETID',
    'CAP_KILL',
    'CAP_MKNOD',
  ],
  ...[
    'CAP_NET_BIND_SERVICE',
    'CAP_NET_RAW',
    'CAP_SETFCAP',
    'CAP_SETGID',
    'CAP_SETPCAP',
    'CAP_SETUID',
    'CAP_SYS_CHROOT',
  ],
];

/** Starts `command` in a container of the image, with these capabilities and no others. */
async function start(
  image: string,
  capabilities: string[],
  flags: string[],
  command: string[],
): Promise<ChildProcess> {
  // buildah's own seccomp profile is from before CAP_BPF and CAP_PERFMON; Docker's lets through what they allow.
  const container = await buildah('from', '--security-opt', 'seccomp=unconfined', image);
  working.push(container);
  const child = spawn(
    'buildah',
    [
      ...['run', '--isolation', 'oci', '--network', 'host', ...flags],
      ...DEFAULT_CAPABILITIES.flatMap(one => ['--cap-drop', one]),
      ...capabilities.flatMap(one => ['--cap-add', one]),
      ...[container, '--', ...command],
    ],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
  children.push(child);
  return child;
}

async function answer(url: string, seconds: number): Promise<Response> {
  const until = Date.now() + seconds * 1000;
  for (;;) {
    try {
      const response = await fetch(url);
      if (response.ok) return response;
    } catch {
      // Not there yet.
    }
    if (Date.now() > until) throw new Error(`${url} did not answer within ${seconds} s`);
    await new Promise(resolve => setTimeout(resolve, 200));
  }
}

beforeAll(async () => {
  const [node, rust] = execFileSync(`${root}/test/container/base-images`, { encoding: 'utf8' })
    .trim()
    .split('\n');
  // The tools are named too: then what is left over can be pruned, and they stay for the next run.
  for (const target of ['tools', 'server', 'agent'])
    await buildah(
      ...[
        'bud',
        '--quiet',
        '--layers',
        '--force-rm',
        '--isolation',
        'chroot',
        '--network',
        'host',
        '--target',
        target,
      ],
      ...['--build-arg', `NODE_IMAGE=${node}`, '--build-arg', `RUST_IMAGE=${rust}`],
      ...['-t', `localhost/stackwell-${target}:test`, '.'],
    );
}, 20 * MINUTES);

afterAll(async () => {
  for (const child of children) {
    if (child.exitCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
  }
  for (const container of working) await buildah('rm', container);
  await buildah('rmi', '--prune');
});

describe('images', () => {
  test('the server runs as its own user, and holds no compiler and no sources', async () => {
    const inspected = JSON.parse(
      await buildah('inspect', '--type', 'image', 'localhost/stackwell-server:test'),
    );
    expect(inspected.OCIv1.config.User).toBe('stackwell');
    const container = await buildah('from', 'localhost/stackwell-server:test');
    working.push(container);
    const list = await buildah(
      'run',
      '--isolation',
      'chroot',
      container,
      '--',
      'sh',
      '-c',
      'id -u; ls /opt/stackwell; command -v gcc clang cargo; true',
    );
    expect(list.split('\n')[0]).toBe('4040');
    expect(list).not.toMatch(/^(src|test|symbolizers)$/m);
    expect(list).not.toMatch(/gcc|clang|cargo/);
  });

  test(
    'agent with four capabilities and server without any: a profile of the host arrives',
    async () => {
      const port = await freePort();
      const metrics = await freePort();
      const url = `http://127.0.0.1:${port}`;
      await start(
        'localhost/stackwell-server:test',
        [],
        [],
        ['stackwell', 'server', '--listen', `127.0.0.1:${port}`, '--data', '/var/lib/stackwell'],
      );
      await answer(`${url}/readyz`, 30);
      await start(
        'localhost/stackwell-agent:test',
        ['CAP_BPF', 'CAP_PERFMON', 'CAP_SYS_PTRACE', 'CAP_SYSLOG'],
        ['--pid', 'host'],
        [
          ...['stackwell', 'agent', '--server', url, '--data', '/var/lib/stackwell-agent'],
          ...['--metrics-listen', `127.0.0.1:${metrics}`],
        ],
      );
      await answer(`http://127.0.0.1:${metrics}/metrics`, 60);
      const until = Date.now() + 60_000;
      let names: string[] = [];
      while (Date.now() < until && !names.some(name => /sched|syscall/.test(name))) {
        await new Promise(resolve => setTimeout(resolve, 1000));
        const top = (await (
          await fetch(
            `${url}/api/v1/top?type=process_cpu:cpu:nanoseconds:cpu:nanoseconds&from=now-5m&until=now`,
          )
        ).json()) as { functions?: { name: string[] } };
        names = top.functions?.name ?? [];
      }
      expect(names.some(name => /sched|syscall/.test(name))).toBe(true);
    },
    3 * MINUTES,
  );
});
