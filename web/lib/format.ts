// SPDX-License-Identifier: Apache-2.0
// Numbers as people read them. Profiles of time are shown in seconds, never in bare nanoseconds.
import { isSnapshot, OFF_CPU, ON_CPU, parseType } from '../../src/profile/types.js';

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

export function formatCount(n: number): string {
  return grouped.format(n);
}

/** Seconds with at least three significant digits from a millisecond on: `0.053 s`, `12.34 s`, `12,345 s`. */
export function formatSeconds(seconds: number): string {
  const s = Math.abs(seconds);
  if (s === 0) return '0 s';
  if (s >= 1000) return `${grouped.format(seconds)} s`;
  if (s >= 100) return `${seconds.toFixed(1)} s`;
  if (s >= 1) return `${seconds.toFixed(2)} s`;
  if (s >= 0.001) return `${seconds.toFixed(3)} s`;
  if (s >= 1e-6) return `${(seconds * 1e6).toFixed(s >= 1e-4 ? 0 : 1)} µs`;
  return `${(seconds * 1e9).toFixed(0)} ns`;
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let i = 0;
  while (Math.abs(value) >= 1024 && i < units.length - 1) {
    value /= 1024;
    i++;
  }
  return `${i === 0 ? grouped.format(value) : value.toFixed(Math.abs(value) >= 100 ? 0 : 1)} ${units[i]}`;
}

const SECONDS: Record<string, number> = {
  nanoseconds: 1e-9,
  microseconds: 1e-6,
  milliseconds: 1e-3,
  seconds: 1,
};

/** Seconds in one unit of a time unit, or null when the unit is not one of time. */
export function secondsPer(unit: string): number | null {
  return SECONDS[unit] ?? null;
}

/** A value in units of its sample type. */
export function formatValue(value: number, unit: string): string {
  const scale = secondsPer(unit);
  if (scale !== null) return formatSeconds(value * scale);
  if (unit === 'bytes') return formatBytes(value);
  return unit === '' || unit === 'count' ? formatCount(value) : `${formatCount(value)} ${unit}`;
}

/** Per-second rates: plain numbers with enough digits to tell an idle core from a busy one. */
export function formatRate(rate: number): string {
  const r = Math.abs(rate);
  if (r === 0) return '0';
  if (r >= 1e6) return `${(rate / 1e6).toFixed(1)} M`;
  if (r >= 1e4) return `${(rate / 1e3).toFixed(1)} k`;
  if (r >= 100) return rate.toFixed(0);
  if (r >= 10) return rate.toFixed(1);
  if (r >= 0.01) return rate.toFixed(2);
  return rate.toPrecision(1);
}

export interface Measure {
  /** Short name for a button: On-CPU, Off-CPU, `memory inuse_space`. */
  name: string;
  unit: string;
  /** What the timeline's axis says. */
  rate: string;
  /** Multiplies a total per millisecond into that rate; of snapshots an average one. */
  perMs: number;
}

/** How values of a type are named and turned into rates. Time per time is a number of cores, or of waiting threads. */
export function measureOf(id: string): Measure {
  const type = parseType(id);
  if (type === null) return { name: id, unit: '', rate: 'per second', perMs: 1000 };
  const unit = type.sampleUnit;
  const scale = secondsPer(unit);
  const name =
    id === ON_CPU
      ? 'On-CPU'
      : id === OFF_CPU
        ? 'Off-CPU'
        : `${type.name.replace(/_/g, ' ')} ${type.sampleType}`;
  if (scale !== null) {
    const rate =
      id === OFF_CPU ? 'threads off CPU' : type.sampleType === 'cpu' ? 'cores' : 'seconds per second';
    return { name, unit, rate, perMs: scale * 1000 };
  }
  if (isSnapshot(id))
    return unit === 'bytes'
      ? { name, unit, rate: 'MiB, average snapshot', perMs: 1 / (1024 * 1024) }
      : { name, unit, rate: `${unit === 'count' ? type.sampleType : unit}, average snapshot`, perMs: 1 };
  if (unit === 'bytes') return { name, unit, rate: 'MiB per second', perMs: 1000 / (1024 * 1024) };
  return { name, unit, rate: `${unit === 'count' ? type.sampleType : unit} per second`, perMs: 1000 };
}

/** `8.3 %`, `40 %`: two digits are what an estimate has. */
export function formatPercent(part: number): string {
  const percent = part * 100;
  if (percent === 0) return '0 %';
  if (percent < 0.1) return '<0.1 %';
  return percent < 9.95 ? `${percent.toFixed(1)} %` : `${grouped.format(percent)} %`;
}

/** What an instance uses a second: cores for CPU time, else the type's unit a second. */
export interface CostUnit {
  /** `cores`, `threads`, `MiB/s`. */
  name: string;
  /** Multiplies what the API gives. */
  factor: number;
  /** `the CPU time`. */
  whole: string;
}

/** @param each seconds of an instance by snapshots of it: of what is there at a moment, the average is told */
export function costUnitOf(id: string, each = 1): CostUnit {
  const type = parseType(id);
  if (id === OFF_CPU) return { name: 'waiting threads', factor: 1, whole: 'the time' };
  if (type === null) return { name: 'a second', factor: 1, whole: 'all' };
  const { sampleUnit, sampleType } = type;
  const seconds = secondsPer(sampleUnit);
  if (seconds !== null) {
    // The API has seconds in place of nanoseconds, and other units as they are.
    const factor = sampleUnit === 'nanoseconds' ? 1 : seconds;
    return sampleType === 'cpu'
      ? { name: 'cores', factor, whole: 'the CPU time' }
      : { name: 's/s', factor, whole: 'the time' };
  }
  const [by, times] = isSnapshot(id) ? ['', each] : ['/s', 1];
  if (sampleUnit === 'bytes') return { name: `MiB${by}`, factor: times / (1024 * 1024), whole: 'the bytes' };
  return { name: `${sampleUnit === 'count' ? sampleType : sampleUnit}${by}`, factor: times, whole: 'all' };
}

/** Two digits below ten, and no more than people read. */
export function formatAmount(value: number): string {
  if (value < 0) return `−${formatAmount(-value)}`;
  const size = value;
  if (size === 0) return '0';
  if (size >= 1e4) return formatRate(value);
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  if (size >= 1) return value.toFixed(2);
  if (size < 1e-4) return '<0.0001';
  return value.toFixed(Math.min(5, 1 - Math.floor(Math.log10(size))));
}

/** With its sign, for differences. */
export function formatDifference(value: number): string {
  const size = formatAmount(Math.abs(value));
  return value === 0 || size.startsWith('<') ? size : `${value < 0 ? '−' : '+'}${size}`;
}

export function formatCost(cost: number, unit: CostUnit): string {
  return `${formatAmount(cost * unit.factor)} ${unit.name}`;
}
