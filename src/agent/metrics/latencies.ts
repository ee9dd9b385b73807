// SPDX-License-Identifier: Apache-2.0
// Reads bpf/metrics/latency.h: how long things took, by cgroup, in buckets.
import { z } from 'zod';
import type { Rows, Watch } from '#native/bpf';
import { type CollectorContext, type CollectorPlugin, collector, type Sample } from './collector.js';
import type { ContainerLabels, Targets } from './targets.js';

/** SW_BUCKETS */
const BUCKETS = 12;

export interface Latency {
  /** What the program tells apart, and of it. */
  what: number;
  stage: number;
  /** Null: of the whole host, what is no container's included. */
  container: ContainerLabels | null;
  ns: number;
  /** Not cumulative; as many as there are bounds, and one. */
  buckets: Float64Array;
}

/** For `knobs`: `bounds` in ns, ascending, at most 11. */
export function boundsKnob(bounds: number[]): { sw_bounds: number[] } {
  const unused = new Array<number>(BUCKETS - 1 - bounds.length).fill(Number.MAX_SAFE_INTEGER);
  return { sw_bounds: [...bounds, ...unused] };
}

export class Latencies {
  private readonly retired = new Map<string, Latency>();
  private others = 0;

  /** @param bounds as given to `boundsKnob` */
  constructor(
    private readonly watch: Watch,
    private readonly targets: Targets,
    private readonly bounds: number[],
  ) {}

  /** What found no row of its own, since the start; it is in the host's numbers only where `what` is always 0. */
  overflow(): number {
    return this.others;
  }

  async read(): Promise<Latency[]> {
    const rows = await this.watch.read('sw_latencies');
    const hosts = new Map<string, Latency>();
    const containers = new Map<ContainerLabels, Map<string, Latency>>();
    for (const [key, latency] of this.retired)
      hosts.set(key, { ...latency, buckets: latency.buckets.slice() });
    const keys = new DataView(rows.keys.buffer, rows.keys.byteOffset);
    const gone: Uint8Array[] = [];
    for (let row = 0; row < rows.values.length / rows.words; row++) {
      const at = row * rows.keyBytes;
      const cgroup = keys.getBigUint64(at, true);
      const what = keys.getUint32(at + 8, true);
      const stage = keys.getUint32(at + 12, true);
      this.add(rowOf(hosts, what, stage, null), rows, row);
      if (cgroup === 0n) continue;
      if (this.targets.isForgotten(cgroup)) {
        this.add(rowOf(this.retired, what, stage, null), rows, row);
        gone.push(rows.keys.subarray(at, at + rows.keyBytes));
        continue;
      }
      const labels = await this.targets.of(cgroup);
      if (labels === null) continue;
      let own = containers.get(labels);
      if (own === undefined) {
        own = new Map();
        containers.set(labels, own);
      }
      this.add(rowOf(own, what, stage, labels), rows, row);
    }
    if (gone.length > 0) this.watch.erase('sw_latencies', Buffer.concat(gone));
    const others = await this.watch.read('sw_others');
    this.others = total(others);
    if (this.others > 0) this.add(rowOf(hosts, 0, 0, null), others, 0);
    return [...hosts.values(), ...[...containers.values()].flatMap(own => [...own.values()])];
  }

  private add(into: Latency, { values, words }: Rows, row: number): void {
    const at = row * words;
    into.ns += Number(values[at]);
    // Buckets that are not used are empty, and the last one, above all bounds, is the program's last.
    const last = this.bounds.length;
    for (let bucket = 0; bucket < last; bucket++)
      into.buckets[bucket] = into.buckets[bucket]! + Number(values[at + 1 + bucket]);
    for (let bucket = last; bucket < BUCKETS; bucket++)
      into.buckets[last] = into.buckets[last]! + Number(values[at + 1 + bucket]);
  }
}

function rowOf(
  rows: Map<string, Latency>,
  what: number,
  stage: number,
  container: ContainerLabels | null,
): Latency {
  const key = `${what}/${stage}`;
  let row = rows.get(key);
  if (row === undefined) {
    row = { what, stage, container, ns: 0, buckets: new Float64Array(BUCKETS) };
    rows.set(key, row);
  }
  return row;
}

function total({ values }: Rows): number {
  return Number(values.subarray(1).reduce((sum, one) => sum + one, 0n));
}

/**
 * The series of a histogram in seconds. `shown`: of `bounds` (ns) those that get a series; a container's are few, for
 * there are many containers.
 */
export function histogram(
  labels: Record<string, string>,
  { ns, buckets }: Latency,
  bounds: number[],
  shown: number[] = bounds,
): Sample[] {
  const samples: Sample[] = [];
  let count = 0;
  for (const [at, bound] of bounds.entries()) {
    count += buckets[at]!;
    if (shown.includes(bound))
      samples.push({ labels: { ...labels, le: String(bound / 1e9) }, value: count, suffix: '_bucket' });
  }
  count += buckets[bounds.length]!;
  samples.push({ labels: { ...labels, le: '+Inf' }, value: count, suffix: '_bucket' });
  samples.push({ labels, value: ns / 1e9, suffix: '_sum' }, { labels, value: count, suffix: '_count' });
  return samples;
}

export interface LatencyPlugin extends Pick<CollectorPlugin, 'name' | 'about' | 'families'> {
  /** ns, ascending, at most 11. */
  bounds: number[];
  /** Of them those of containers. */
  containerBounds?: number[];
  /** Programs that are left out on this kernel. */
  omit?(context: CollectorContext): string[];
  /**
   * Called once a scrape: which family a row is of (a container's is called `container_` and that), and its labels beside
   * those of the target.
   */
  describe?(): (row: Latency) => { family: string; labels: Record<string, string> };
}

/** A collector that counts latencies of one or several kinds, of the host and of containers. */
export function latencyCollector({
  bounds,
  containerBounds = [],
  omit = () => [],
  describe = () => () => ({ family: 'latency_seconds', labels: {} }),
  ...plugin
}: LatencyPlugin): CollectorPlugin {
  return collector({
    ...plugin,
    options: z.strictObject({}),
    start(context) {
      const { watch, targets } = context;
      const latencies = new Latencies(
        watch({ knobs: boundsKnob(bounds), omit: omit(context) }),
        targets,
        bounds,
      );
      return {
        overflow: () => latencies.overflow(),
        async collect() {
          const rows = await latencies.read();
          const of = describe();
          const samples: Record<string, Sample[]> = {};
          for (const row of rows) {
            const { family, labels } = of(row);
            const { container } = row;
            const name = container === null ? family : `container_${family}`;
            samples[name] ??= [];
            samples[name]!.push(
              ...(container === null
                ? histogram({ ...targets.host, ...labels }, row, bounds)
                : histogram({ ...container, ...labels }, row, bounds, containerBounds)),
            );
          }
          return samples;
        },
      };
    },
  });
}
