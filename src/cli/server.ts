// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander';
import { loadConfig } from '../config/load.js';
import { say } from './output.js';
import { stopRequested } from './signals.js';

export function addServer(program: Command): void {
  program
    .command('server')
    .description('receive, store and show profiles; needs no privileges')
    .option('--config <file>', 'YAML configuration')
    .option('--listen <address:port>', 'API and page (127.0.0.1:4040)')
    .option('--data <folder>', 'embedded store (/var/lib/stackwell)')
    .option('--allow-remote', 'listen beyond loopback though there is no authentication yet')
    .action(async (options: { config?: string; listen?: string; data?: string; allowRemote?: boolean }) => {
      const { server } = loadConfig(options.config, [
        [['server', 'listen'], options.listen],
        [['server', 'data'], options.data],
        [['server', 'allowRemote'], options.allowRemote],
      ]);
      const stop = stopRequested();
      const { startServer } = await import('../server/server.js');
      const running = await startServer(server);
      process.send?.({ ready: running.url });
      if (process.send === undefined) say(`Stackwell server: ${running.url}`);
      await stop;
      await running.close();
      process.exit(0);
    });
}
