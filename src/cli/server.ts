// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander';
import { loadConfig, type Overrides } from '../config/load.js';
import { say } from './output.js';
import { stopRequested } from './signals.js';

export interface ServerFlags {
  config?: string;
  listen?: string;
  data?: string;
  elasticsearch?: string;
  allowRemote?: boolean;
}

/** Secrets come by the environment: arguments are seen by everyone on the machine. */
export function serverOverrides({ listen, data, elasticsearch, allowRemote }: ServerFlags): Overrides {
  return [
    [['server', 'listen'], listen],
    [['server', 'data'], data],
    [['server', 'elasticsearch', 'urls'], elasticsearch?.split(',').map(url => url.trim())],
    [['server', 'elasticsearch', 'password'], process.env.STACKWELL_ELASTICSEARCH_PASSWORD],
    [['server', 'elasticsearch', 'apiKey'], process.env.STACKWELL_ELASTICSEARCH_API_KEY],
    [['server', 'allowRemote'], allowRemote],
  ];
}

export function addServer(program: Command): void {
  program
    .command('server')
    .description('receive, store and show profiles; needs no privileges')
    .option('--config <file>', 'YAML configuration')
    .option('--listen <address:port>', 'API and page (127.0.0.1:4040)')
    .option('--data <folder>', 'embedded store (/var/lib/stackwell)')
    .option('--elasticsearch <url>', 'store in this cluster; several nodes with commas')
    .option('--allow-remote', 'listen beyond loopback though there is no authentication yet')
    .action(async (options: ServerFlags) => {
      const { server } = loadConfig(options.config, serverOverrides(options));
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
