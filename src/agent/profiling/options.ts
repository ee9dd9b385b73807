// SPDX-License-Identifier: Apache-2.0
import type { ProfilerOptions } from '#native/bpf';
import { type AgentConfig, durationMs } from '../../config/config.js';

/** What to sample, as the configuration says. */
export function profilerOptions(
  config: Pick<AgentConfig, 'hz' | 'offCpu' | 'unwind' | 'traceContext'>,
): Pick<ProfilerOptions, 'onCpu' | 'offCpu' | 'unwinds' | 'maxTableBytes' | 'traces'> {
  const always = {
    onCpu: { hz: config.hz },
    unwinds: config.unwind.tables,
    maxTableBytes: config.unwind.maxBytes,
    traces: config.traceContext,
  };
  if (!config.offCpu.enabled) return always;
  return {
    ...always,
    offCpu: offCpuOptions(durationMs(config.offCpu.min) * 1e6, durationMs(config.offCpu.max) * 1e6),
  };
}

/** All three phases and all task states; nanoseconds. */
export function offCpuOptions(minNs: number, maxNs: number): NonNullable<ProfilerOptions['offCpu']> {
  return { minNs, maxNs, stateMask: 0, phases: { blocked: true, runqueue: true, preempted: true } };
}
