// SPDX-License-Identifier: Apache-2.0
// A real container: runc with a root file system of busybox and one program.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
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
  const inside = `/bin/${path.basename(program)}`;
  return run({
    // A shell in front, as most containers have one.
    command: ['/bin/busybox', 'sh', '-c', `${[inside, ...args].join(' ')}; exit 0`],
    fill(root) {
      withBusybox(root);
      copyFileSync(program, path.join(root, inside));
      chmodSync(path.join(root, inside), 0o755);
    },
  });
}

/** Starts a command of busybox within limits, as config.json of the OCI runtime specification has them. */
export function startLimited(
  resources: { cpu?: { quota: number; period: number }; memory?: { limit: number } },
  ...command: string[]
): Container {
  return run({
    command: ['/bin/busybox', 'sh', '-c', `${command.join(' ')}; exit 0`],
    resources,
    fill: withBusybox,
  });
}

function withBusybox(root: string): void {
  mkdirSync(path.join(root, 'bin'), { recursive: true });
  copyFileSync('/bin/busybox', path.join(root, 'bin/busybox'));
}

/**
 * Starts a command as its first process, with these folders of the host and a /tmp of its own: as an unprivileged user, or
 * as root of a user namespace.
 */
export function startWithFolders(
  user: 'unprivileged' | 'mapped',
  folders: string[],
  ...command: string[]
): Container {
  const mounts = folders.map(folder => ({
    destination: folder,
    type: 'bind',
    source: folder,
    options: ['rbind', 'ro'],
  }));
  // First: a folder may be below it.
  const tmp = { destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['mode=1777'] };
  return run({ command, user, mounts: [tmp, ...mounts] });
}

/** What root of a user namespace is on the host. */
const MAPPED = 200_000;

interface Contents {
  command: string[];
  user?: 'unprivileged' | 'mapped';
  mounts?: object[];
  resources?: object;
  fill?(root: string): void;
}

function run({ command, user, mounts = [], resources, fill }: Contents): Container {
  const id = randomBytes(32).toString('hex');
  const bundle = mkdtempSync(path.join(tmpdir(), 'stackwell-container-'));
  mkdirSync(path.join(bundle, 'rootfs'));
  fill?.(path.join(bundle, 'rootfs'));
  const runc = (...args: string[]) =>
    execFileSync('runc', args, { cwd: bundle, encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] });
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
      process: { terminal: boolean; args: string[]; user: { uid: number; gid: number } };
      linux: { namespaces: object[]; resources?: object; uidMappings?: object[]; gidMappings?: object[] };
      hostname: string;
      mounts: object[];
    };
    config.process.terminal = false;
    config.process.args = command;
    if (user === 'unprivileged') config.process.user = { uid: 1000, gid: 1000 };
    if (user === 'mapped') {
      const all = [{ containerID: 0, hostID: MAPPED, size: 65_536 }];
      config.linux.namespaces.push({ type: 'user' });
      config.linux.uidMappings = all;
      config.linux.gidMappings = all;
      // Its root makes the places for its mounts.
      chmodSync(bundle, 0o755);
      chownSync(path.join(bundle, 'rootfs'), MAPPED, MAPPED);
    }
    config.mounts.push(...mounts);
    if (resources !== undefined) config.linux.resources = { ...config.linux.resources, ...resources };
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
