// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander';
import { optimizeRarely } from '../agent/tiering.js';
import { loadConfig, type Overrides } from '../config/load.js';
import { say } from './output.js';
import { stopRequested } from './signals.js';

export interface AgentFlags {
  config?: string;
  server?: string;
  hz?: string;
  offCpuMin?: string;
  metricsListen?: string;
}

/** Options that `agent` and `up` share. */
export function agentOptions(command: Command): Command {
  return command
    .option('--config <file>', 'YAML configuration')
    .option('--hz <rate>', 'on-CPU samples per second and CPU (19)')
    .option('--off-cpu-min <duration>', 'shorter waits are not recorded (1ms)')
    .option('--metrics-listen <address:port>', "the agent's /metrics (127.0.0.1:4041)");
}

export function agentOverrides(flags: AgentFlags): Overrides {
  return [
    [['agent', 'server'], flags.server],
    [['agent', 'hz'], flags.hz === undefined ? undefined : Number(flags.hz)],
    [['agent', 'offCpu', 'min'], flags.offCpuMin],
    [['agent', 'metricsListen'], flags.metricsListen],
  ];
}

export function addAgent(program: Command): void {
  agentOptions(program.command('agent'))
    .description('sample this host and send profiles to a server; needs root or CAP_BPF and CAP_PERFMON')
    .option('--server <url>', 'where profiles are sent (http://127.0.0.1:4040)')
    .option('--data <folder>', 'outbox (/var/lib/stackwell-agent)')
    .action(async (options: AgentFlags & { data?: string }) => {
      const { agent } = loadConfig(options.config, [
        ...agentOverrides(options),
        [['agent', 'data'], options.data],
      ]);
      optimizeRarely();
      const stop = stopRequested();
      const { startAgent } = await import('../agent/agent.js');
      const running = await startAgent(agent);
      process.send?.({ ready: running.metricsUrl });
      if (process.send === undefined)
        say(`Stackwell agent: sends to ${agent.server}, metrics at ${running.metricsUrl}`);
      await stop;
      await running.close();
      process.exit(0);
    });
}
