// SPDX-License-Identifier: Apache-2.0
// The file format of speedscope.app: https://www.speedscope.app/file-format-schema.json
import { type FlameGraph, frameName, stacks } from '../flamegraph.js';

export interface SpeedscopeFile {
  $schema: 'https://www.speedscope.app/file-format-schema.json';
  name: string;
  exporter: string;
  activeProfileIndex: number;
  shared: { frames: { name: string; file?: string }[] };
  profiles: {
    type: 'sampled';
    name: string;
    unit: 'none' | 'nanoseconds' | 'microseconds' | 'milliseconds' | 'seconds' | 'bytes';
    startValue: number;
    endValue: number;
    samples: number[][];
    weights: number[];
  }[];
}

const UNITS = new Set(['nanoseconds', 'microseconds', 'milliseconds', 'seconds', 'bytes']);

/** @param options.unit of the sample type; one that speedscope does not know is written as 'none' */
export function toSpeedscope(graph: FlameGraph, options: { name: string; unit: string }): SpeedscopeFile {
  const samples: number[][] = [];
  const weights: number[] = [];
  for (const { path, self } of stacks(graph)) {
    samples.push(path.slice());
    weights.push(self);
  }
  return {
    $schema: 'https://www.speedscope.app/file-format-schema.json',
    name: options.name,
    exporter: 'stackwell',
    activeProfileIndex: 0,
    shared: {
      frames: graph.functions.name.map((_, row) => {
        const file = graph.functions.file[row];
        const name = frameName(graph.functions, row);
        return file ? { name, file } : { name };
      }),
    },
    profiles: [
      {
        type: 'sampled',
        name: options.name,
        unit: UNITS.has(options.unit) ? (options.unit as 'nanoseconds') : 'none',
        startValue: 0,
        endValue: Number(graph.sum),
        samples,
        weights,
      },
    ],
  };
}
