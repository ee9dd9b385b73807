// SPDX-License-Identifier: Apache-2.0

const TIME: Record<string, number> = {
  nanoseconds: 1e-9,
  microseconds: 1e-6,
  milliseconds: 1e-3,
  seconds: 1,
};

function steps(value: number, units: readonly (readonly [number, string])[]): string {
  const size = Math.abs(value);
  const [factor, unit] = units.find(([least]) => size >= least) ?? units.at(-1)!;
  return `${Number((value / factor).toFixed(2))} ${unit}`;
}

/**
 * `12.3 %`; small shares keep two digits. What is there but too small to write is not called nothing, and what lacks but
 * a little is not called all.
 */
export function formatShare(part: number, whole: number): string {
  if (whole <= 0) return '–';
  const percent = (part / whole) * 100;
  if (percent === 0) return '0 %';
  if (percent < 0.01) return '<0.01 %';
  if (percent < 1) return `${percent.toFixed(2)} %`;
  if (percent >= 99.95) return percent < 100 ? '>99.9 %' : '100 %';
  return `${percent.toFixed(1)} %`;
}

/** For people: '1.5 s', '12 MiB', '1234 samples'. @param unit of a sample type, as pprof writes it */
export function formatValue(value: number, unit: string): string {
  const seconds = TIME[unit];
  if (seconds !== undefined)
    return value === 0
      ? '0 s'
      : steps(value * seconds, [
          [3600, 'h'],
          [60, 'min'],
          [1, 's'],
          [1e-3, 'ms'],
          [1e-6, 'µs'],
          [1e-9, 'ns'],
        ]);
  if (unit === 'bytes')
    return steps(value, [
      [2 ** 40, 'TiB'],
      [2 ** 30, 'GiB'],
      [2 ** 20, 'MiB'],
      [2 ** 10, 'KiB'],
      [1, 'B'],
    ]);
  return unit === 'count' || unit === '' ? String(value) : `${value} ${unit}`;
}
