// SPDX-License-Identifier: Apache-2.0
// What is told to Pyroscope's clients is the tree that it was made of: laws, over trees of any shape.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { atCallSite } from '../../src/profile/call-site.js';
import { type FlameGraph, frameName, stacks } from '../../src/profile/flamegraph.js';
import { foldSmall } from '../../src/profile/fold-small.js';
import { toDot } from '../../src/profile/formats/dot.js';
import {
  flamebearerDocument,
  toFlamebearer,
  toFlamebearerDiff,
} from '../../src/profile/formats/flamebearer.js';
import { toTree } from '../../src/profile/formats/tree.js';
import { parseType } from '../../src/profile/types.js';
import { Varints } from '../../src/profile/varints.js';
import { columns, tree } from './trees.js';

/** Path → value of its own. Nodes of one path are one. */
type Selves = Map<string, number>;

const add = (selves: Selves, path: string[], self: number) => {
  if (self !== 0) selves.set(path.join('\0'), (selves.get(path.join('\0')) ?? 0) + self);
};

function selvesOf(graph: FlameGraph): Selves {
  const selves: Selves = new Map();
  for (const { path, self } of stacks(graph))
    add(
      selves,
      path.map(row => frameName(graph.functions, row)),
      self,
    );
  return selves;
}

/** As a client reads them: a node is below the one that its left edge lies in. */
function selvesOfLevels(names: string[], levels: Float64Array[], width: number, side: number): Selves {
  const selves: Selves = new Map();
  type Node = { path: string[]; from: number; until: number };
  let above: Node[] = [];
  for (const [level, values] of levels.entries()) {
    const here: Node[] = [];
    let end = 0;
    let parent = 0;
    for (let at = 0; at < values.length; at += width) {
      const [distance, total, self] = values.subarray(at + 3 * side);
      const from = end + distance!;
      end = from + total!;
      // Nodes without width stand where their parent may have no width either: any one there will do.
      while (parent < above.length - 1 && (from >= above[parent]!.until || end > above[parent]!.until))
        parent++;
      const path = level === 0 ? [] : [...above[parent]!.path, names[values[at + width - 1]!]!];
      if (level > 0 && total! > 0) {
        expect(from).toBeGreaterThanOrEqual(above[parent]!.from);
        expect(end).toBeLessThanOrEqual(above[parent]!.until);
      }
      add(selves, path, self!);
      here.push({ path, from, until: end });
    }
    above = here;
  }
  return selves;
}

describe('flamebearer', () => {
  it('has every stack with its value', () => {
    void fc.assert(
      fc.property(tree, root => {
        const graph = columns(root);
        const { names, levels, total, maxSelf } = toFlamebearer(graph);
        expect(selvesOfLevels(names, levels, 4, 0)).toEqual(selvesOf(graph));
        expect([names[0], total, maxSelf]).toEqual(['total', graph.sum, Math.max(...graph.self)]);
        expect(new Set(names.slice(1)).size).toBe(names.length - 1);
      }),
    );
  });

  it('puts what a node has of its own before its children', () => {
    const leaf = (name: string, self: number) => ({ name, self, children: [] });
    const graph = columns({
      ...{ name: '', self: 1 },
      children: [
        { name: 'a', self: 5, children: [leaf('b', 20)] },
        { name: 'c', self: 2, children: [leaf('d', 3)] },
      ],
    });
    const { names, levels } = toFlamebearer(graph);
    expect(names).toEqual(['total', 'a', 'b', 'c', 'd']);
    expect(levels.map(level => [...level])).toEqual([
      [0, 31, 1, 0],
      [1, 25, 5, 1, 0, 5, 2, 3],
      [6, 20, 20, 2, 2, 3, 3, 4],
    ]);
  });

  it('has both sides of a diff', () => {
    void fc.assert(
      fc.property(tree, fc.integer({ min: 0, max: 5 }), (root, factor) => {
        const graph = columns(root);
        const { functions, depth, function: rows } = graph;
        const times = (column: Float64Array) => column.map(value => value * factor);
        const right = { sum: graph.sum * BigInt(factor), total: times(graph.total), self: times(graph.self) };
        const diff = toFlamebearerDiff({ functions, depth, function: rows, left: graph, right });
        expect(selvesOfLevels(diff.names, diff.levels, 7, 0)).toEqual(selvesOf(graph));
        expect(selvesOfLevels(diff.names, diff.levels, 7, 1)).toEqual(selvesOf({ ...graph, ...right }));
        expect([diff.leftTicks, diff.rightTicks, diff.total]).toEqual([
          ...[graph.sum, right.sum, graph.sum + right.sum],
        ]);
      }),
    );
  });

  it('says in which units it is', () => {
    const graph = toFlamebearer(columns({ name: '', self: 0, children: [] }));
    const units = (type: string) => flamebearerDocument(graph, parseType(type)!).metadata;
    expect(units('process_cpu:cpu:nanoseconds:cpu:nanoseconds')).toEqual({
      ...{ format: 'single', spyName: '', name: 'cpu', units: 'samples', sampleRate: 1_000_000_000 },
    });
    expect(units('memory:inuse_space:bytes:space:bytes')).toMatchObject({ units: 'bytes', sampleRate: 100 });
    expect(units('memory:alloc_objects:count:space:bytes')).toMatchObject({ units: 'objects' });
    expect(graph.levels.map(level => [...level])).toEqual([[0, 0, 0, 0]]);
  });
});

describe('tree', () => {
  it('has every node, in preorder', () => {
    void fc.assert(
      fc.property(tree, root => {
        const graph = columns(root);
        const bytes = toTree(graph);
        if (graph.depth.length === 1 && graph.self[0] === 0) {
          expect(bytes).toHaveLength(0);
          return;
        }
        let at = 0;
        const number = () => {
          let value = 0;
          for (let factor = 1; ; factor *= 128) {
            const byte = bytes[at++]!;
            value += (byte & 127) * factor;
            if (byte < 128) return value;
          }
        };
        const selves: Selves = new Map();
        const node = (above: string[] | null) => {
          const length = number();
          const name = Buffer.from(bytes.subarray(at, at + length)).toString();
          at += length;
          const path = above === null ? [] : [...above, name];
          add(selves, path, number());
          for (let children = number(); children > 0; children--) node(path);
        };
        node(null);
        expect(at).toBe(bytes.length);
        // Half a surrogate pair has no UTF-8.
        const written = [...selvesOf(graph)].map(
          ([path, self]) => [Buffer.from(path).toString(), self] as const,
        );
        const expected: Selves = new Map();
        for (const [path, self] of written) expected.set(path, (expected.get(path) ?? 0) + self);
        expect(selves).toEqual(expected);
      }),
    );
  });
});

describe('dot', () => {
  it('quotes whatever a function is called, and says nothing of nothing', () => {
    const graph = columns({
      ...{ name: '', self: 0 },
      children: [{ name: 'a"]; b\\', self: 1e9, children: [{ name: 'x\ny', self: 3e9, children: [] }] }],
    });
    const text = toDot(graph, { title: 't"', unit: 'nanoseconds', maxNodes: 10 });
    expect(text.split('\n')).toEqual([
      'digraph "t\\"" {',
      'node [shape=box style=filled fillcolor="#f8f8f8"]',
      'N0 [label="a\\"]; b\\\\\\n1 s (25.0 %)\\nof 4 s (100 %)" fontsize=24 tooltip="a\\"]; b\\\\ (4 s)"]',
      'N1 [label="x y\\n3 s (75.0 %)" fontsize=36 tooltip="x y (3 s)"]',
      'N0 -> N1 [label="3 s" penwidth=5]',
      '}',
      '',
    ]);
    expect(toDot(graph, { title: '', unit: '', maxNodes: 1 })).not.toContain('N1');
    expect(toDot(columns({ name: '', self: 0, children: [] }), { title: '', unit: '', maxNodes: 9 })).toBe(
      '',
    );
  });
});

describe('atCallSite', () => {
  it('keeps the stacks that begin so, and nothing else', () => {
    const site = fc.array(fc.constantFrom('main', 'a;b', '[unknown]', 'none'), {
      minLength: 1,
      maxLength: 3,
    });
    void fc.assert(
      fc.property(tree, site, (root, callSite) => {
        const graph = columns(root);
        const { sides, ...rest } = atCallSite(graph, [graph], callSite);
        const part = { ...graph, ...rest, ...sides[0]! };
        const begin = callSite.join('\0');
        const wanted = [...selvesOf(graph)].filter(
          ([path]) => path === begin || path.startsWith(`${begin}\0`),
        );
        expect(selvesOf(part)).toEqual(new Map(wanted));
        expect(part.sum).toBe(wanted.reduce((sum, [, self]) => sum + BigInt(self), 0n));
        // Of every node: its own value and those of its children are its total.
        for (let node = 0; node < part.depth.length; node++) {
          let sum = part.self[node]!;
          for (
            let below = node + 1;
            below < part.depth.length && part.depth[below]! > part.depth[node]!;
            below++
          )
            sum += part.self[below]!;
          expect(part.total[node]).toBe(sum);
        }
      }),
    );
  });
});

describe('foldSmall', () => {
  it('keeps the sum, the order and the largest nodes', () => {
    void fc.assert(
      fc.property(tree, fc.integer({ min: 2, max: 20 }), (root, maxNodes) => {
        const graph = columns(root);
        const folded = foldSmall(graph, maxNodes);
        const sum = (column: Float64Array) => column.reduce((all, one) => all + one, 0);
        expect(sum(folded.self)).toBe(sum(graph.self));
        expect([folded.sum, folded.total[0]]).toEqual([graph.sum, graph.total[0]]);
        const isOther = (node: number) => folded.functions.name[folded.function[node]!] === 'other';
        const kept = [...folded.depth.keys()].filter(
          node => graph.depth.length <= maxNodes || !isOther(node),
        );
        expect(kept.length).toBeLessThanOrEqual(Math.max(1, maxNodes));
        expect(graph.depth.length - kept.length).toBe(folded.omittedNodes);
        for (let node = 1; node < folded.depth.length; node++)
          expect(folded.depth[node]).toBeLessThanOrEqual(folded.depth[node - 1]! + 1);
      }),
    );
  });
});

describe('varints', () => {
  it('are those of protobuf', () => {
    const read = (bytes: Uint8Array) =>
      bytes.reduceRight((value, byte) => (value << 7n) | BigInt(byte & 127), 0n);
    void fc.assert(
      fc.property(
        fc.oneof(fc.maxSafeInteger(), fc.integer(), fc.constantFrom(0, 127, 128, 2 ** 28, 2 ** 53)),
        value => {
          const [number, bigint] = [new Varints(1), new Varints(1)];
          number.number(value);
          bigint.bigint(BigInt(value));
          expect(number.finish()).toEqual(bigint.finish());
          expect(read(number.finish())).toBe(BigInt.asUintN(64, BigInt(value)));
          expect(
            number
              .finish()
              .subarray(0, -1)
              .every(byte => byte >= 128),
          ).toBe(true);
        },
      ),
    );
  });
});
