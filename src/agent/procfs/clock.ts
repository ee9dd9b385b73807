// SPDX-License-Identifier: Apache-2.0
import { uptime } from 'node:os';

/** CLOCK_MONOTONIC now, nanoseconds: libuv's high-resolution time, and what BPF's ktime_get_ns counts. */
export function monotonicNs(): bigint {
  return process.hrtime.bigint();
}

/**
 * Maps CLOCK_MONOTONIC to Unix time, both in nanoseconds. Take a new one for each window: the wall clock is stepped and
 * slewed, the monotonic one is not stepped. Good to a millisecond, which is what Date.now() gives.
 */
export function wallClock(): (monotonic: bigint) => bigint {
  const offset = BigInt(Date.now()) * 1_000_000n - monotonicNs();
  return monotonic => monotonic + offset;
}

/**
 * Nanoseconds by which CLOCK_BOOTTIME is ahead of CLOCK_MONOTONIC: the time that the machine was suspended. /proc gives
 * start times in boot time since Linux 5.5, BPF gives monotonic ones. Good to 10 ms: libuv reads /proc/uptime.
 */
export function suspendedNs(): bigint {
  return BigInt(Math.round(uptime() * 1e9)) - monotonicNs();
}
