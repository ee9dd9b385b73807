// SPDX-License-Identifier: Apache-2.0
// What this machine gives a profiler, and for each shortfall what to do.
import { accessSync, constants, existsSync, readFileSync, statfsSync } from 'node:fs';
import { release } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { loadConfig } from '../config/load.js';
import { formatBytes, print } from './output.js';

interface Finding {
  name: string;
  /** warn: works, with less; fail: the agent will not start or will have nothing to show. */
  status: 'ok' | 'warn' | 'fail';
  found: string;
  /** What to do; empty when all is well. */
  fix: string;
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return null;
  }
}

function kernel(): Finding {
  const found = release();
  const [major = 0, minor = 0] = found.split('.').map(part => Number.parseInt(part, 10));
  const ok = major > 5 || (major === 5 && minor >= 8);
  return {
    name: 'kernel version',
    status: ok ? 'ok' : 'fail',
    found,
    fix: ok ? '' : 'Upgrade to Linux 5.8 or later; docs/kernels.md says what each version gives.',
  };
}

function btf(): Finding {
  const path = '/sys/kernel/btf/vmlinux';
  let ok = true;
  try {
    accessSync(path, constants.R_OK);
  } catch {
    ok = false;
  }
  return {
    name: 'kernel BTF',
    status: ok ? 'ok' : 'fail',
    found: ok ? path : `${path} cannot be read`,
    fix: ok ? '' : 'Use a kernel built with CONFIG_DEBUG_INFO_BTF=y.',
  };
}

/** Bit numbers of include/uapi/linux/capability.h. */
const CAPABILITIES: [name: string, bit: number, needed: boolean, why: string][] = [
  ['CAP_BPF', 39, true, 'to load programs'],
  ['CAP_PERFMON', 38, true, 'to sample and to read kernel data'],
  ['CAP_SYS_PTRACE', 19, false, "to read other users' process mappings"],
  ['CAP_SYSLOG', 34, false, 'to name kernel functions'],
  ['CAP_CHECKPOINT_RESTORE', 40, false, 'to open mapped files that were replaced on disk'],
];

function capabilities(): Finding {
  const effective = BigInt(
    `0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(read('/proc/self/status') ?? '')?.[1] ?? '0'}`,
  );
  const has = (bit: number) => ((effective >> BigInt(bit)) & 1n) === 1n;
  const admin = has(21);
  const missing = CAPABILITIES.filter(([, bit, needed]) => !has(bit) && !(admin && (needed || bit === 40)));
  const fatal = missing.some(([, , needed]) => needed);
  return {
    name: 'capabilities',
    status: fatal ? 'fail' : missing.length > 0 ? 'warn' : 'ok',
    found:
      missing.length === 0
        ? 'all that are used'
        : `missing: ${missing.map(([name, , , why]) => `${name} (${why})`).join(', ')}`,
    fix: missing.length === 0 ? '' : 'Run as root, or give the agent these capabilities.',
  };
}

function paranoid(): Finding {
  const level = Number(read('/proc/sys/kernel/perf_event_paranoid') ?? '2');
  const effective = BigInt(
    `0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(read('/proc/self/status') ?? '')?.[1] ?? '0'}`,
  );
  const exempt = ((effective >> 38n) & 1n) === 1n || ((effective >> 21n) & 1n) === 1n;
  return {
    name: 'perf_event_paranoid',
    status: exempt || level < 0 ? 'ok' : 'fail',
    found: `${level}${exempt ? ' (does not apply with CAP_PERFMON)' : ''}`,
    fix:
      exempt || level < 0
        ? ''
        : 'Run as root or with CAP_PERFMON; or `sysctl kernel.perf_event_paranoid=-1`.',
  };
}

function kernelNames(): Finding {
  const first = /^([0-9a-f]+) /m.exec((read('/proc/kallsyms') ?? '').slice(0, 4096))?.[1];
  const ok = first !== undefined && /[1-9a-f]/.test(first);
  return {
    name: 'kernel symbols',
    status: ok ? 'ok' : 'warn',
    found: ok
      ? '/proc/kallsyms has addresses'
      : `addresses hidden (kptr_restrict ${read('/proc/sys/kernel/kptr_restrict') ?? '?'})`,
    fix: ok
      ? ''
      : 'Set `sysctl kernel.kptr_restrict=1` and run with CAP_SYSLOG; kernel frames have no names else.',
  };
}

function lockdown(): Finding {
  const mode = /\[(\w+)\]/.exec(read('/sys/kernel/security/lockdown') ?? '[none]')?.[1] ?? 'none';
  const ok = mode !== 'confidentiality';
  return {
    name: 'kernel lockdown',
    status: ok ? 'ok' : 'fail',
    found: mode,
    fix: ok ? '' : 'Boot with lockdown=integrity: in confidentiality mode BPF may not read kernel memory.',
  };
}

function stackDepth(): Finding {
  const depth = Number(read('/proc/sys/kernel/perf_event_max_stack') ?? '127');
  const ok = depth >= 127;
  return {
    name: 'perf_event_max_stack',
    status: ok ? 'ok' : 'warn',
    found: String(depth),
    fix: ok ? '' : 'Set `sysctl kernel.perf_event_max_stack=127`; stacks are cut at this depth.',
  };
}

function clockSource(): Finding {
  const found = read('/sys/devices/system/clocksource/clocksource0/current_clocksource') ?? 'unknown';
  const slow = ['hpet', 'acpi_pm', 'jiffies', 'refined-jiffies', 'xen'].includes(found);
  return {
    name: 'clock source',
    status: slow ? 'warn' : 'ok',
    found,
    fix: slow
      ? 'Reading this clock is slow, so off-CPU sampling costs more: boot with clocksource=tsc if the CPU allows.'
      : '',
  };
}

async function cgroups(): Promise<Finding> {
  const { detectLayout } = await import('../agent/containers/layout.js');
  try {
    const layout = detectLayout();
    return {
      name: 'cgroups',
      status: 'ok',
      found: `${layout.hierarchy === 'v2' ? 'v2' : `v1, ${layout.hierarchy} controller`} at ${layout.mount}`,
      fix: '',
    };
  } catch (error) {
    return {
      name: 'cgroups',
      status: 'warn',
      found: (error as Error).message,
      fix: 'Mount cgroup v2 at /sys/fs/cgroup; containers cannot be told apart else.',
    };
  }
}

function disk(folder: string): Finding {
  let existing = folder;
  while (!existsSync(existing) && existing !== dirname(existing)) existing = dirname(existing);
  try {
    accessSync(existing, constants.W_OK);
  } catch {
    return {
      name: 'data folder',
      status: 'fail',
      found: `${folder} cannot be written`,
      fix: 'Choose another one with --data, or make it writable.',
    };
  }
  const { bavail, bsize } = statfsSync(existing);
  const free = bavail * bsize;
  const ok = free > 1e9;
  return {
    name: 'free disk',
    status: ok ? 'ok' : 'warn',
    found: `${formatBytes(free)} for ${folder}`,
    fix: ok ? '' : 'Free some space, or lower server.retention.maxBytes and agent.outbox.maxBytes.',
  };
}

/** Rows of the probe that are said better above. */
const CHECKED_ABOVE = ['kernel', 'btf', 'capabilities', 'ptrace', 'perf_event_paranoid'];

/** Loads each kind of program for a moment. */
async function programs(): Promise<Finding[]> {
  const objects = fileURLToPath(new URL('../../build/bpf', import.meta.url));
  try {
    const { probe } = await import('#native/bpf');
    const probed = probe(objects);
    return Object.entries(probed)
      .filter(([name]) => !CHECKED_ABOVE.includes(name))
      .map(([name, { ok, detail }]) => {
        const spare = name === 'fentry' && probed.sched_exit_tp?.ok === true;
        return {
          name: `bpf: ${name}`,
          status: ok || spare ? 'ok' : 'warn',
          found: spare && !ok ? `${detail}: not needed here, sched_exit_tp is used` : detail,
          fix: ok || spare ? '' : 'docs/kernels.md says what this is used for and what is used in its place.',
        };
      });
  } catch (error) {
    return [
      {
        name: 'bpf',
        status: 'fail',
        found: (error as Error).message.split('\n')[0]!,
        fix: 'Run script/build.',
      },
    ];
  }
}

function symbolizer(): Finding {
  const path = fileURLToPath(new URL('../../build/stackwell-symbolizer', import.meta.url));
  const ok = existsSync(path);
  return {
    name: 'symbolizer',
    status: ok ? 'ok' : 'fail',
    found: ok ? path : `${path} is missing`,
    fix: ok ? '' : 'Run script/build.',
  };
}

export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description('check what this machine allows, and say what to do where it falls short')
    .option('--config <file>', 'YAML configuration')
    .option('--data <folder>', 'data folder to check')
    .option('--json', 'print the findings as JSON')
    .action(async (options: { config?: string; data?: string; json?: boolean }) => {
      const { server } = loadConfig(options.config, [[['server', 'data'], options.data]]);
      const findings = [
        kernel(),
        btf(),
        capabilities(),
        paranoid(),
        kernelNames(),
        lockdown(),
        stackDepth(),
        await cgroups(),
        clockSource(),
        disk(server.data),
        symbolizer(),
        ...(await programs()),
      ];
      if (options.json === true) print(JSON.stringify(findings, null, 2));
      else
        for (const { name, status, found, fix } of findings) {
          print(`${{ ok: 'ok  ', warn: 'WARN', fail: 'FAIL' }[status]}  ${name}: ${found}`);
          if (fix !== '') print(`      ${fix}`);
        }
      process.exitCode = findings.some(finding => finding.status === 'fail') ? 1 : 0;
    });
}
