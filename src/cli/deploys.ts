// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander';
import { ask } from './ask.js';
import { print, say, table } from './output.js';
import { typeId } from './query.js';

interface Answer {
  deploys: {
    service: string;
    deploy: string;
    first: number;
    last: number;
    hosts: number;
    instances: number;
  }[];
  omitted: number;
  warnings: string[];
}

interface Flags {
  server: string;
  type: string;
  from: string;
  until: string;
  limit: string;
  json?: boolean;
}

export function addDeploys(program: Command): void {
  program
    .command('deploys [service]')
    .description('deploys that were seen, the newest first')
    .option('--server <url>', 'server to ask', 'http://127.0.0.1:4040')
    .option('--type <type>', 'cpu, offcpu, or a type id', 'cpu')
    .option('--from <time>', 'RFC 3339, Unix milliseconds or relative', 'now-7d')
    .option('--until <time>', 'likewise', 'now')
    .option('--limit <rows>', 'rows of the table', '30')
    .option('--json', 'print the answer as JSON')
    .action(async (service: string | undefined, flags: Flags) => {
      const body = await ask(flags.server, 'deploys', {
        parameters: {
          ...(service === undefined ? {} : { service }),
          type: typeId(flags.type),
          from: flags.from,
          until: flags.until,
          limit: flags.limit,
        },
      });
      if (flags.json === true) {
        print(body.toString());
        return;
      }
      const { deploys, omitted, warnings } = JSON.parse(body.toString()) as Answer;
      for (const warning of warnings) say(`warning: ${warning}`);
      const time = (ms: number) => new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
      print(
        table(
          ['SERVICE', 'DEPLOY', 'FIRST SEEN (UTC)', 'LAST SEEN', 'HOSTS', 'INSTANCES'],
          deploys.map(one => [
            one.service,
            one.deploy,
            time(one.first),
            time(one.last),
            one.hosts,
            one.instances,
          ]),
        ),
      );
      if (omitted > 0) say(`${omitted} more (--limit)`);
    });
}
