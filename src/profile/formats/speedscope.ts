// SPDX-License-Identifier: Apache-2.0
// The file format of speedscope.app: https://www.speedscope.app/file-format-schema.json
import { type FlameGraph, frameName, stacks } from '../flamegraph.js';

/** `Samples` and `Weights` are arrays, or iterables where a file is written piece by piece. */
export interface SpeedscopeFile<Samples = number[][], Weights = number[]> {
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
    samples: Samples;
    weights: Weights;
  }[];
}

export interface SpeedscopeOptions {
  name: string;
  /** Of the sample type; one that speedscope does not know is written as 'none'. */
  unit: string;
}

const UNITS = new Set(['nanoseconds', 'microseconds', 'milliseconds', 'seconds', 'bytes']);

function file<Samples, Weights>(
  graph: FlameGraph,
  { name, unit }: SpeedscopeOptions,
  samples: Samples,
  weights: Weights,
): SpeedscopeFile<Samples, Weights> {
  return {
    $schema: 'https://www.speedscope.app/file-format-schema.json',
    name,
    exporter: 'stackwell',
    activeProfileIndex: 0,
    shared: {
      frames: graph.functions.name.map((_, row) => {
        const source = graph.functions.file[row];
        const called = frameName(graph.functions, row);
        return source ? { name: called, file: source } : { name: called };
      }),
    },
    profiles: [
      {
        type: 'sampled',
        name,
        unit: UNITS.has(unit) ? (unit as 'nanoseconds') : 'none',
        startValue: 0,
        endValue: Number(graph.sum),
        samples,
        weights,
      },
    ],
  };
}

function* paths(graph: FlameGraph): Generator<number[]> {
  for (const { path } of stacks(graph)) yield path.slice();
}

function* weights(graph: FlameGraph): Generator<number> {
  for (const { self } of stacks(graph)) yield self;
}

export function toSpeedscope(graph: FlameGraph, options: SpeedscopeOptions): SpeedscopeFile {
  return file(graph, options, [...paths(graph)], [...weights(graph)]);
}

/** The same with samples that are made one by one, for writers that must not hold up a thread. */
export function lazySpeedscope(
  graph: FlameGraph,
  options: SpeedscopeOptions,
): SpeedscopeFile<Iterable<number[]>, Iterable<number>> {
  return file(graph, options, paths(graph), weights(graph));
}
