// SPDX-License-Identifier: Apache-2.0
// A real container: runc with a root file system of busybox and one program.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export interface Container {
  /** 64 hex digits, as docker and containerd name theirs. */
  id: string;
  /** The first process, as the host sees it. */
  pid: number;
  /** Kills and deletes it. */
  remove(): void;
}

/** Starts `program` (linked statically) with arguments in a container of its own. Throws what runc said. */
export function startContainer(program: string, ...args: string[]): Container {
  const id = randomBytes(32).toString('hex');
  const bundle = mkdtempSync(path.join(tmpdir(), 'stackwell-container-'));
  const inside = `/bin/${path.basename(program)}`;
  mkdirSync(path.join(bundle, 'rootfs/bin'), { recursive: true });
  copyFileSync('/bin/busybox', path.join(bundle, 'rootfs/bin/busybox'));
  copyFileSync(program, path.join(bundle, 'rootfs', inside));
  chmodSync(path.join(bundle, 'rootfs', inside), 0o755);
  const runc = (...command: string[]) =>
    execFileSync('runc', command, { cwd: bundle, encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] });
  const remove = () => {
    try {
      runc('delete', '--force', id);
    } finally {
      rmSync(bundle, { recursive: true, force: true });
    }
  };
  try {
    runc('spec');
    const file = path.join(bundle, 'config.json');
    const config = JSON.parse(readFileSync(file, 'utf8')) as {
      process: { terminal: boolean; args: string[] };
      hostname: string;
    };
    config.process.terminal = false;
    // A shell in front, as most containers have one.
    config.process.args = ['/bin/busybox', 'sh', '-c', `${[inside, ...args].join(' ')}; exit 0`];
    config.hostname = 'boxed';
    writeFileSync(file, JSON.stringify(config));
    // The program keeps standard output and error for its life: no pipes, or runc's caller would wait for it.
    execFileSync('runc', ['run', '--detach', '--pid-file', path.join(bundle, 'pid'), id], {
      cwd: bundle,
      stdio: 'ignore',
    });
    return { id, pid: Number(readFileSync(path.join(bundle, 'pid'), 'utf8')), remove };
  } catch (error) {
    remove();
    throw error;
  }
}
