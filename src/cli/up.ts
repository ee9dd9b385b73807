// SPDX-License-Identifier: Apache-2.0
// Agent and server on one machine, as two processes. What dies is started again; the other one goes on.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { durationMs } from '../config/config.js';
import { loadConfig } from '../config/load.js';
import { type AgentFlags, agentOptions, agentOverrides } from './agent.js';
import { print, say } from './output.js';
import { type ServerFlags, serverOverrides } from './server.js';
import { stopRequested } from './signals.js';

/** How each command wants Node.js started is known there. */
const COMMAND = fileURLToPath(new URL('../../bin/stackwell', import.meta.url));
/** A process that lived this long was healthy: its next restart is immediate. */
const HEALTHY_MS = 30_000;
const MAX_BACKOFF_MS = 10_000;

class Supervised {
  private child: ChildProcess | null = null;
  private stopping = false;
  private failures = 0;
  private timer: NodeJS.Timeout | null = null;
  private exited: Promise<void> = Promise.resolve();

  constructor(
    readonly name: string,
    private readonly command: string[],
    private readonly onReady: (url: string) => void,
    /** Called when it ends before it ever was ready: a mistake of configuration, not a crash. */
    private readonly onFailedStart: (code: number) => void,
  ) {}

  start(): void {
    const [file, ...args] = this.command as [string, ...string[]];
    const started = Date.now();
    let ready = false;
    const child = spawn(file, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.child = child;
    child.on('message', message => {
      const url = (message as { ready?: unknown }).ready;
      if (typeof url !== 'string') return;
      ready = true;
      this.onReady(url);
    });
    this.exited = new Promise(resolve => {
      const ended = (code: number | null, signal: string | null) => {
        this.child = null;
        resolve();
        if (this.stopping) return;
        if (!ready && code !== null && this.failures === 0) {
          this.onFailedStart(code);
          return;
        }
        this.failures = Date.now() - started > HEALTHY_MS ? 0 : this.failures + 1;
        const delay = this.failures <= 1 ? 0 : Math.min(MAX_BACKOFF_MS, 250 * 2 ** this.failures);
        say(`${this.name} ended (${signal ?? `exit code ${code}`}); starting it again in ${delay} ms`);
        this.timer = setTimeout(() => this.start(), delay);
      };
      child.once('exit', ended);
      child.once('error', error => {
        say(`${this.name}: ${error.message}`);
        ended(1, null);
      });
    });
  }

  async stop(): Promise<void> {
    this.stopping = true;
    if (this.timer !== null) clearTimeout(this.timer);
    this.child?.kill('SIGTERM');
    await this.exited;
  }
}

/** Without capabilities and with no way to get them back, where util-linux's setpriv is there. */
function unprivileged(command: string[]): string[] {
  const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find(existsSync);
  if (process.getuid?.() !== 0 || setpriv === undefined) return command;
  return [setpriv, '--no-new-privs', '--inh-caps=-all', '--bounding-set=-all', ...command];
}

/** Where the server will be for this machine; null when the kernel is to choose the port. */
function localUrl(listen: string): string | null {
  const [, host, port] = /^\[?(.*?)\]?:(\d+)$/.exec(listen) ?? [];
  if (host === undefined || port === undefined || Number(port) === 0) return null;
  const local = host === '0.0.0.0' || host === '' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${local.includes(':') ? `[${local}]` : local}:${port}`;
}

export function addUp(program: Command): void {
  agentOptions(program.command('up'))
    .description('agent and server on this machine, with the embedded store')
    .option('--listen <address:port>', 'API and page (127.0.0.1:4040)')
    .option('--data <folder>', 'store and outbox (/var/lib/stackwell)')
    .option('--elasticsearch <url>', 'store in this cluster; several nodes with commas')
    .option('--allow-remote', 'listen beyond loopback though there is no authentication yet')
    .action(async (options: AgentFlags & ServerFlags) => {
      // Checked here, once, so that a mistake is said before anything starts.
      const config = loadConfig(options.config, [...agentOverrides(options), ...serverOverrides(options)]);
      durationMs(config.agent.window);
      const stop = stopRequested();
      const pass = (flags: Record<string, string | boolean | undefined>) =>
        Object.entries(flags).flatMap(([flag, value]) =>
          value === undefined || value === false ? [] : value === true ? [flag] : [flag, value],
        );
      let failed: (code: number) => void = () => {};
      const failure = new Promise<number>(resolve => {
        failed = resolve;
      });
      let agent: Supervised | null = null;
      const startAgent = (url: string) => {
        agent = new Supervised(
          'agent',
          [
            COMMAND,
            'agent',
            ...pass({
              '--config': options.config,
              '--server': url,
              '--data': join(config.server.data, 'agent'),
              '--hz': options.hz,
              '--off-cpu-min': options.offCpuMin,
              '--metrics-listen': options.metricsListen,
            }),
          ],
          () => {},
          failed,
        );
        agent.start();
      };
      let announced = false;
      const server = new Supervised(
        'server',
        unprivileged([
          COMMAND,
          'server',
          ...pass({
            '--config': options.config,
            '--listen': options.listen,
            '--data': options.data,
            '--elasticsearch': options.elasticsearch,
            '--allow-remote': options.allowRemote,
          }),
        ]),
        url => {
          if (announced) return;
          announced = true;
          print(url);
          if (agent === null) startAgent(url);
        },
        failed,
      );
      server.start();
      // Both at once: the first window is under way while the server gets ready. Only a port that the kernel chooses
      // must be waited for.
      const url = localUrl(config.server.listen);
      if (url !== null) startAgent(url);
      const code = await Promise.race([stop.then(() => 0), failure]);
      // The agent first: its last window still finds the server.
      await (agent as Supervised | null)?.stop();
      await server.stop();
      process.exit(code);
    });
}
