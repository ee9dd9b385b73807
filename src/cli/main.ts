// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { addAgent } from './agent.js';
import { addDebuginfo } from './debuginfo.js';
import { addDeploys } from './deploys.js';
import { addDiff } from './diff/command.js';
import { addDoctor } from './doctor.js';
import { sayError } from './output.js';
import { addQuery } from './query.js';
import { addRecord } from './record.js';
import { addServer } from './server.js';
import { addUp } from './up.js';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const program = new Command('stackwell')
  .description('Continuous profiling for Linux: on-CPU and off-CPU stacks, named')
  .version(version)
  .showHelpAfterError('(see --help)')
  .exitOverride()
  .configureOutput({
    outputError: text => process.stderr.write(`SW_USAGE: ${text.replace(/^error: /, '')}`),
  });

for (const add of [
  addUp,
  addServer,
  addAgent,
  addRecord,
  addDoctor,
  addQuery,
  addDiff,
  addDeploys,
  addDebuginfo,
])
  add(program);
const settle = (command: Command, parent: Command): void => {
  command.exitOverride().copyInheritedSettings(parent);
  for (const below of command.commands) settle(below, command);
};
for (const command of program.commands) settle(command, program);

process.on('uncaughtException', error => {
  sayError(error);
  process.exit(1);
});

try {
  await program.parseAsync();
} catch (error) {
  // Commander has said it already; help and version are no errors.
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : 2);
  sayError(error);
  process.exit(1);
}
