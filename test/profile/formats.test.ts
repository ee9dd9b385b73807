// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { Ajv } from 'ajv';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toFolded } from '../../src/profile/formats/folded.js';
import { toSpeedscope } from '../../src/profile/formats/speedscope.js';
import { toSvg } from '../../src/profile/formats/svg.js';
import { columns, tree } from './trees.js';

const fixed = columns({
  name: '',
  self: 0,
  children: [
    { name: 'main', self: 5, children: [{ name: 'a;b c', self: 20, children: [] }] },
    { name: 'other', self: 75, children: [] },
  ],
});

describe('folded', () => {
  it('has a line for each stack', () => {
    expect(toFolded(fixed)).toBe('main 5\nmain;a:b c 20\nother 75\n');
  });

  it('sums to the total, whatever the names', () => {
    void fc.assert(
      fc.property(tree, root => {
        const graph = columns(root);
        const lines = toFolded(graph).split('\n').slice(0, -1);
        const sum = lines.reduce((all, line) => all + Number(/ (\d+)$/.exec(line)![1]), 0);
        expect(sum).toBe(Number(graph.sum));
        expect(lines).toHaveLength(graph.self.filter(self => self > 0).length);
      }),
    );
  });
});

/** What speedscope.app's published schema asks of a file with sampled profiles. */
const SPEEDSCOPE = {
  type: 'object',
  required: ['$schema', 'profiles', 'shared'],
  properties: {
    $schema: { const: 'https://www.speedscope.app/file-format-schema.json' },
    name: { type: 'string' },
    exporter: { type: 'string' },
    activeProfileIndex: { type: 'number' },
    shared: {
      type: 'object',
      required: ['frames'],
      properties: {
        frames: {
          type: 'array',
          items: {
            type: 'object',
            required: ['name'],
            additionalProperties: false,
            properties: {
              name: { type: 'string' },
              file: { type: 'string' },
              line: { type: 'number' },
              col: { type: 'number' },
            },
          },
        },
      },
    },
    profiles: {
      type: 'array',
      items: {
        type: 'object',
        required: ['type', 'name', 'unit', 'startValue', 'endValue', 'samples', 'weights'],
        additionalProperties: false,
        properties: {
          type: { const: 'sampled' },
          name: { type: 'string' },
          unit: { enum: ['none', 'nanoseconds', 'microseconds', 'milliseconds', 'seconds', 'bytes'] },
          startValue: { type: 'number' },
          endValue: { type: 'number' },
          samples: { type: 'array', items: { type: 'array', items: { type: 'integer', minimum: 0 } } },
          weights: { type: 'array', items: { type: 'number' } },
        },
      },
    },
  },
};

describe('speedscope', () => {
  it('is a file of the published format, whose weights sum to its end', () => {
    const validate = new Ajv().compile(SPEEDSCOPE);
    void fc.assert(
      fc.property(tree, fc.constantFrom('nanoseconds', 'bytes', 'count'), (root, unit) => {
        const graph = columns(root);
        const file = JSON.parse(JSON.stringify(toSpeedscope(graph, { name: 'x', unit })));
        expect([validate(file), validate.errors]).toEqual([true, null]);
        const [profile] = file.profiles;
        expect(profile.samples).toHaveLength(profile.weights.length);
        expect(profile.weights.reduce((all: number, one: number) => all + one, 0)).toBe(profile.endValue);
        for (const stack of profile.samples)
          for (const frame of stack) expect(frame).toBeLessThan(file.shared.frames.length);
      }),
    );
  });

  it('has the stacks root first', () => {
    const { profiles, shared } = toSpeedscope(fixed, { name: 'x', unit: 'nanoseconds' });
    const named = profiles[0]!.samples.map(stack => stack.map(frame => shared.frames[frame]!.name));
    expect(named).toEqual([['main'], ['main', 'a;b c'], ['other']]);
    expect(profiles[0]!.weights).toEqual([5, 20, 75]);
  });
});

/** With somebody else's parser: it ends with an error when a document is not well formed. */
function parseXml(documents: string[]): { rects: number; titles: string[] }[] {
  const program = `
import json, sys, xml.dom.minidom
out = []
for text in json.load(sys.stdin):
    document = xml.dom.minidom.parseString(text.encode())
    titles = [node.firstChild.data if node.firstChild else '' for node in document.getElementsByTagName('title')]
    out.append({'rects': len(document.getElementsByTagName('rect')), 'titles': titles})
json.dump(out, sys.stdout)`;
  return JSON.parse(
    execFileSync('python3', ['-c', program], {
      input: JSON.stringify(documents),
      maxBuffer: 64 * 1024 * 1024,
    }).toString(),
  );
}

describe('svg', () => {
  it('is well-formed XML, whatever the names', () => {
    const graphs = fc.sample(tree, 60).map(columns);
    const svgs = graphs.map(graph => toSvg(graph, { title: '<a> & "b"\u0000', unit: 'nanoseconds' }));
    for (const [index, { rects, titles }] of parseXml(svgs).entries()) {
      const total = graphs[index]!.total;
      const visible = total.filter(value => (value * 1180) / (total[0] || 1) >= 0.1).length;
      // And one for the background.
      expect(rects).toBe(visible + 1);
      expect(titles).toHaveLength(visible);
    }
  });

  it('says in its tooltips what a frame is, where it is from and what it costs', () => {
    const { titles } = parseXml([toSvg(fixed, { title: 'x', unit: 'nanoseconds' })])[0]!;
    expect(titles[2]).toBe('a;b c\n[kernel.kallsyms]\ntotal 20 ns (20.00 %), self 20 ns');
    expect(titles[0]).toBe('total\ntotal 100 ns (100.00 %), self 0 s');
  });

  it('has no script and nothing from elsewhere', () => {
    const svg = toSvg(fixed, { title: 'x', unit: 'count' });
    expect(svg).not.toMatch(/<script|href=|url\(|on\w+=/);
  });
});
