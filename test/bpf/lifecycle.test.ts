// SPDX-License-Identifier: Apache-2.0
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { Profiler, type ProfilerOptions, probe } from '#native/bpf';
import { allPrograms, codeOf, objects, offCpu, onCpu, open, programsOf, root } from './helpers.js';

const whole: ProfilerOptions = {
  objects,
  scope: { kind: 'host' },
  cgroupHierarchy: 'cpu',
  ...onCpu(),
  ...offCpu(),
};

/** A script that opens a profiler and prints the code of what it throws, else `open`. */
const script = `
  import { Profiler } from ${JSON.stringify(path.join(root, 'native/bpf/index.js'))};
  try {
    globalThis.profiler = new Profiler(${JSON.stringify(whole)});
    console.log('open');
    setInterval(() => globalThis.profiler.poll(), 100);
  } catch (error) {
    console.log(error.code);
  }
`;
const node = [process.execPath, '--input-type=module', '-e', script];

async function gone(ids: number[], seconds: number): Promise<void> {
  const until = performance.now() + seconds * 1000;
  for (;;) {
    const left = allPrograms();
    if (!ids.some(id => left.has(id))) return;
    expect(performance.now(), 'programs are still there').toBeLessThan(until);
    await sleep(50);
  }
}

test('close detaches, and everything after it is safe', async () => {
  const profiler = open(whole);
  const ids = programsOf(process.pid);
  expect(ids.length).toBeGreaterThan(4);
  expect(profiler.programs().map(({ name }) => name)).toContain('sw_on_cpu');
  expect(profiler.memory.kernelBytes).toBeGreaterThan(1 << 20);
  const running = profiler.drain();
  profiler.close();
  await running.then(
    drained => expect(drained.endNs).toBeGreaterThanOrEqual(drained.startNs),
    error => expect(error.code).toBe('SW_PROFILER_CLOSED'),
  );
  profiler.close();
  expect(profiler.poll()).toBe(0);
  expect(profiler.programs()).toEqual([]);
  expect(codeOf(() => profiler.drain())).toBe('SW_PROFILER_CLOSED');
  expect(codeOf(() => profiler.setScope({ kind: 'host' }))).toBe('SW_PROFILER_CLOSED');
  await gone(ids, 2);
});

test('kill -9 leaves nothing attached', async () => {
  const child = spawn(node[0]!, node.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  expect(String(await new Promise<Buffer>(resolve => child.stdout.once('data', resolve))).trim()).toBe(
    'open',
  );
  const ids = programsOf(child.pid!);
  expect(ids.length).toBeGreaterThan(4);
  child.kill('SIGKILL');
  await gone(ids, 2);
});

test('a process that ends without close leaves nothing attached', async () => {
  const held = `${script}
    import { readdirSync, readFileSync } from 'node:fs';
    for (const fd of readdirSync('/proc/self/fdinfo'))
      try {
        const id = /^prog_id:\\s*(\\d+)/m.exec(readFileSync('/proc/self/fdinfo/' + fd, 'utf8'));
        if (id) console.log(id[1]);
      } catch {}
    setTimeout(() => process.exit(0), 200);`;
  const { stdout, status } = spawnSync(node[0]!, [...node.slice(1, -1), held], { encoding: 'utf8' });
  expect(status).toBe(0);
  const [first, ...ids] = stdout.trim().split('\n');
  expect(first).toBe('open');
  expect(ids.length).toBeGreaterThan(4);
  await gone(ids.map(Number), 2);
});

test('two drains at once share nothing and lose nothing', async () => {
  const profiler = open(onCpu());
  await sleep(300);
  const [a, b] = await Promise.all([profiler.drain(), profiler.drain()]);
  const [first, second] = a.startNs < b.startNs ? [a, b] : [b, a];
  expect(second.startNs).toBe(first.endNs);
  expect(first.lost.stack_missing + second.lost.stack_missing).toBe(0);
});

test('methods refuse what is not a profiler', () => {
  expect(() => Profiler.prototype.poll.call({} as Profiler)).toThrow(TypeError);
  expect(() => Reflect.get(Profiler.prototype, 'memory', {})).toThrow(TypeError);
});

const bad: [string, object][] = [
  ['hz 0', { onCpu: { hz: 0 } }],
  ['hz not whole', { onCpu: { hz: 9.5 } }],
  ['no such hierarchy', { cgroupHierarchy: 'blkio' }],
  ['no such scope', { scope: { kind: 'planet' } }],
  ['cgroup ids as numbers', { scope: { kind: 'cgroups', ids: [1] } }],
  ['maximum below minimum', offCpu({ minNs: 10, maxNs: 5 })],
  ['no path', { objects: 5 }],
];
test.each(bad)('SW_USAGE: %s', (_, some) => {
  expect(codeOf(() => new Profiler({ ...whole, ...some } as ProfilerOptions))).toBe('SW_USAGE');
});

test('SW_PID_UNKNOWN for a process that is not there, and for a thread', () => {
  const scope = (pid: number): ProfilerOptions => ({ ...whole, scope: { kind: 'processes', pids: [pid] } });
  expect(codeOf(() => new Profiler(scope(2 ** 30)))).toBe('SW_PID_UNKNOWN');
  const [, thread] = execFileSync('ls', [`/proc/${process.pid}/task`], { encoding: 'utf8' }).split('\n');
  expect(codeOf(() => new Profiler(scope(Number(thread))))).toBe('SW_PID_UNKNOWN');
});

test('SW_NOT_ROOT, SW_KERNEL_TOO_OLD and SW_NO_BTF come before anything is loaded', () => {
  const run = (...command: string[]) =>
    spawnSync(command[0]!, command.slice(1), { encoding: 'utf8', timeout: 20_000 }).stdout.trim();
  expect(run('setpriv', '--bounding-set=-bpf,-perfmon,-sys_admin', '--inh-caps=-all', ...node)).toBe(
    'SW_NOT_ROOT',
  );
  expect(run('setarch', '--uname-2.6', ...node)).toBe('SW_KERNEL_TOO_OLD');
  const hidden = 'mount -t tmpfs none /sys/kernel/btf && exec "$@"';
  expect(run('unshare', '--mount', 'sh', '-c', hidden, 'sh', ...node)).toBe('SW_NO_BTF');
});

test('objects that are missing, cut or refused give a code with the reason, and leave nothing', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'stackwell-bpf-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const at = (objects: string) => () => new Profiler({ ...whole, objects });
  expect(codeOf(at(folder))).toBe('SW_NATIVE_MISSING');

  cpSync(objects, folder, { recursive: true });
  truncateSync(path.join(folder, 'on_cpu.bpf.o'), 1000);
  expect(codeOf(at(folder))).toBe('SW_BPF_LOAD');

  // A program that the verifier refuses: the kernel's own words are in the reason.
  const source = path.join(folder, 'refused.c');
  const good = readFileSync(path.join(root, 'bpf/profile/on_cpu.bpf.c'), 'utf8');
  writeFileSync(source, good.replace('return 0;\n}\n\nchar', 'return *(volatile int *)0;\n}\n\nchar'));
  const clang = ['-O2', '-g', '-target', 'bpf', '-mcpu=v3', '-D__TARGET_ARCH_x86', '-Wno-null-dereference'];
  const include = [`-I${path.join(root, 'bpf/profile')}`, '-I/usr/include/x86_64-linux-gnu'];
  execFileSync('clang', [...clang, ...include, '-c', source, '-o', path.join(folder, 'on_cpu.bpf.o')]);
  let error: Error & { code?: string; details?: Record<string, string> } = new Error('nothing was thrown');
  try {
    new Profiler({ ...whole, objects: folder });
  } catch (thrown) {
    error = thrown as typeof error;
  }
  expect(error.code).toBe('SW_BPF_LOAD');
  expect(error.details?.program).toBe('sw_on_cpu');
  expect(error.details?.reason).toContain('invalid mem access');
  expect(programsOf(process.pid)).toEqual([]);
});

test('probe tells what there is and leaves nothing behind', () => {
  const findings = probe(objects);
  expect(programsOf(process.pid)).toEqual([]);
  for (const name of ['kernel', 'btf', 'capabilities', 'objects', 'perf_event_program', 'tp_btf', 'iterator'])
    expect(findings[name], name).toMatchObject({ ok: true });
  expect(probe('/nowhere').objects!.ok).toBe(false);
});
