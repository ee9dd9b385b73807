// SPDX-License-Identifier: Apache-2.0
// The measurements as Markdown.
import { LOADS } from './loads.mjs';
import { PROFILERS } from './profilers.mjs';

/** Mean nanoseconds of one run of the programs whose type and name match; '' when none ran. */
function nanosecondsPerRun(bpf, wanted) {
  let [ns, count] = [0, 0];
  for (const [program, run] of Object.entries(bpf))
    if (wanted.test(program)) {
      ns += run.ns;
      count += run.count;
    }
  return count === 0 ? '' : (ns / count).toFixed(0);
}

export function markdown({ cells, machine }) {
  const lines = [
    `${machine.date.slice(0, 10)}, ${machine.cpu}, ${machine.cpus} CPUs, Linux ${machine.kernel}.`,
    '',
    '| while | profiler | Hz | start-up, CPU-s | steady, % of a core | BPF, % of a core | BPF ns a sample | BPF ns a switch | memory, MB |',
    '| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
  ];
  for (const cell of cells)
    lines.push(
      `| ${[
        LOADS[cell.load].label,
        PROFILERS[cell.profiler].label,
        cell.hz,
        cell.startupCpuSeconds.toFixed(2),
        cell.steadyCpuPercent.toFixed(2),
        cell.bpfPercent === null ? '' : cell.bpfPercent.toFixed(2),
        nanosecondsPerRun(cell.bpf, /^perf_event /),
        nanosecondsPerRun(cell.bpf, /switch/),
        (cell.residentBytes / 1e6).toFixed(0),
      ].join(' | ')} |`,
    );
  return lines.join('\n');
}
