// SPDX-License-Identifier: Apache-2.0
// POST /ingest of what is no pprof: stacks with counts, in the forms that Pyroscope's clients have sent over the years.
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodePprof } from '../helpers/pprof.js';
import { failure, type Running, server } from './fixtures.js';

let running: Running;
beforeAll(async () => {
  running = await server();
});
afterAll(() => running.stop());

async function post(body: string | Uint8Array, parameters: Record<string, string>, type = 'text/plain') {
  return fetch(`${running.url}/ingest?${new URLSearchParams(parameters)}`, {
    method: 'POST',
    headers: { 'content-type': type },
    body: body as BodyInit,
  });
}

const of = (service: string) => ({ query: `{service_name="${service}"}` });

async function folded(service: string, type?: string): Promise<string[]> {
  const parameters = { format: 'folded', ...of(service), ...(type === undefined ? {} : { type }) };
  return (await (await running.get('/api/v1/flamegraph', parameters)).text()).trim().split('\n').sort();
}

const typeOf = async (service: string): Promise<string> => {
  const { types } = await running.json('/api/v1/types', of(service));
  expect(types).toHaveLength(1);
  return types[0].id;
};

interface Node {
  name: string;
  count: number;
  children?: Node[];
}

/** Preorder, with the root that has no name: `trie` and `tree` have the same layout. */
function nodes(children: Node[]): Buffer {
  const varint = (value: number): number[] =>
    value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(Math.floor(value / 128))];
  const write = ({ name, count, children = [] }: Node): number[] => [
    ...varint(Buffer.byteLength(name)),
    ...Buffer.from(name),
    ...varint(count),
    ...varint(children.length),
    ...children.flatMap(write),
  ];
  return Buffer.from(write({ name: '', count: 0, children }));
}

const TREE = nodes([
  {
    name: 'main',
    count: 0,
    children: [
      { name: 'a', count: 3, children: [{ name: 'b', count: 300 }] },
      { name: 'c', count: 2 },
    ],
  },
]);
const TRIE = nodes([
  {
    name: 'main;',
    count: 0,
    children: [
      { name: 'a', count: 3, children: [{ name: ';b', count: 300 }] },
      { name: 'c', count: 2 },
    ],
  },
]);
const STACKS = 'main;a 3\nmain;a;b 300\nmain;c 2\n';
const LINES = [
  'main;a;b',
  'main;c',
  'main;a',
  'main;c',
  'main;a',
  'main;a',
  ...new Array(299).fill('main;a;b'),
];
const EXPECTED = ['main;a 30000000', 'main;a;b 3000000000', 'main;c 20000000'];

describe('POST /ingest of stacks', () => {
  it('is the same profile in each of its forms, samples as time', async () => {
    const forms: [string, string | Uint8Array, Record<string, string>, string?][] = [
      ['none', STACKS, {}],
      ['folded', STACKS, { format: 'folded' }],
      ['collapsed', STACKS.replaceAll('\n', '\r\n'), { format: 'collapsed' }],
      ['groups', `\n${STACKS}\n\n`, { format: 'groups' }],
      ['gzip', gzipSync(STACKS), { format: 'folded' }],
      ['lines', LINES.join('\n'), { format: 'lines' }],
      ['tree', TREE, { format: 'tree' }],
      ['trie', TRIE, { format: 'trie' }],
      ['tree-type', TREE, {}, 'binary/octet-stream+tree'],
      ['trie-type', gzipSync(TRIE), {}, 'binary/octet-stream+trie'],
    ];
    for (const [name, body, parameters, type] of forms) {
      const answer = await post(body, { name, ...parameters }, type);
      expect([name, answer.status, await answer.text()]).toEqual([name, 200, '']);
      expect([name, await folded(name)]).toEqual([name, EXPECTED]);
      expect(await typeOf(name)).toBe('process_cpu:cpu:nanoseconds:cpu:nanoseconds');
    }
  });

  it('has the rate, the time, the labels and the name that the request says', async () => {
    const until = Date.now();
    const parameters = {
      name: 'shop.cpu{region=eu,service_version=7}',
      from: String(Math.floor(until / 1000) - 10),
      until: `${until}000000`,
      sampleRate: '250',
      spyName: 'rbspy',
    };
    expect((await post('a;b;c 10\n', parameters)).status).toBe(200);
    expect(await folded('shop')).toEqual(['a;b;c 40000000']);
    const query = '{service_name="shop", region="eu", service_version="7", pyroscope_spy="rbspy"}';
    const answer = await running.get('/api/v1/pprof', { query });
    const { period, durationSeconds, samples } = decodePprof(Buffer.from(await answer.arrayBuffer()));
    expect(period).toBe(4_000_000);
    expect(durationSeconds).toBeGreaterThanOrEqual(10);
    expect(durationSeconds).toBeLessThanOrEqual(11);
    expect(samples[0]!.frames.map(({ name }) => name)).toEqual(['c', 'b', 'a']);
    // The same again is the same profile.
    expect((await post('a;b;c 10\n', parameters)).status).toBe(200);
    expect(await folded('shop')).toEqual(['a;b;c 40000000']);
  });

  it('is of the service that a label names, and keeps the name of the application', async () => {
    expect((await post('x 1', { name: 'app{service_name=named}' })).status).toBe(200);
    const query = '{service_name="named", app_name="app"}';
    expect((await running.json('/api/v1/top', { query })).sum).toBe(10_000_000);
  });

  it('counts the same stacks anew where no time is said', async () => {
    for (let round = 0; round < 2; round++) expect((await post('x 1', { name: 'anew' })).status).toBe(200);
    expect(await folded('anew')).toEqual(['x 20000000']);
  });

  it('has the type that the name ends with, or that the units say', async () => {
    const kinds: [string, Record<string, string>, string, number][] = [
      ['w.wall', {}, 'wall:wall:nanoseconds:cpu:nanoseconds', 70_000_000],
      ['i.itimer', { sampleRate: '1' }, 'process_cpu:cpu:nanoseconds:cpu:nanoseconds', 7_000_000_000],
      ['m.alloc_space', {}, 'memory:alloc_space:bytes:space:bytes', 7],
      ['o.inuse_objects', { sampleRate: '0' }, 'memory:inuse_objects:count:space:bytes', 7],
      ['g.goroutines', {}, 'goroutine:goroutine:count:goroutine:count', 7],
      ['l.mutex_duration', {}, 'mutex:delay:nanoseconds:contentions:count', 7],
      ['e.exceptions', {}, 'exceptions:samples:count:samples:count', 7],
      ['dotted.name', {}, 'process_cpu:cpu:nanoseconds:cpu:nanoseconds', 70_000_000],
      ['bytes', { units: 'bytes' }, 'memory:alloc_space:bytes:space:bytes', 7],
      ['live', { units: 'objects', aggregationType: 'avg' }, 'memory:inuse_objects:count:space:bytes', 7],
    ];
    for (const [name, parameters, type, sum] of kinds) {
      const answer = await post('a;b 7', { name, ...parameters });
      expect([name, answer.status]).toEqual([name, 200]);
      const service = name === 'dotted.name' ? name : name.split('.')[0]!;
      expect([name, await typeOf(service)]).toEqual([name, type]);
      expect([name, await folded(service, type)]).toEqual([name, [`a;b ${sum}`]]);
    }
  });

  it('keeps names as they are: spaces, semicolons that stand for nothing, bytes that are no text', async () => {
    const body = Buffer.concat([
      Buffer.from(';operator new(unsigned long);;f 5\nstd::vector<int, A> 1\n'),
      Buffer.from([0xff, 0xfe, 0x20, 0x32]),
    ]);
    expect((await post(body, { name: 'odd' })).status).toBe(200);
    expect(await folded('odd')).toEqual([
      'operator new(unsigned long);f 50000000',
      'std::vector<int, A> 10000000',
      '\ufffd\ufffd 20000000',
    ]);
  });

  it('is refused whole when any part of it is wrong', async () => {
    const wrong: [string, string | Uint8Array, Record<string, string>, object][] = [
      ['no count', 'a;b 1\na;c\n', {}, { status: 422, code: 'SW_STACKS_INVALID' }],
      ['no number', 'a;b 1\na;c 1.5\n', {}, { status: 422, code: 'SW_STACKS_INVALID' }],
      ['negative', 'a;b 1\na;c -1\n', {}, { status: 422, code: 'SW_STACKS_INVALID' }],
      ['too large', 'a;b 99999999999999999999\n', {}, { status: 422, code: 'SW_STACKS_INVALID' }],
      ['a sum', 'a 900000000000\na 900000000000', {}, { status: 422, code: 'SW_STACKS_INVALID' }],
      ['nothing', '\n \n', {}, { status: 422, code: 'SW_STACKS_INVALID' }],
      ['cut', TREE.subarray(0, -3), { format: 'tree' }, { status: 422, code: 'SW_STACKS_INVALID' }],
      ['long', Buffer.concat([TRIE, TRIE]), { format: 'trie' }, { status: 422, code: 'SW_STACKS_INVALID' }],
      ['text', 'a;b 1', { format: 'trie' }, { status: 422, code: 'SW_STACKS_INVALID' }],
      ['not gzip', gzipSync(STACKS).subarray(0, 20), {}, { status: 422, code: 'SW_STACKS_INVALID' }],
      ['a rate', 'a 1', { sampleRate: '0' }, { status: 400, code: 'SW_REQUEST_INVALID' }],
      ['units', 'a 1', { units: 'constructor' }, { status: 400, code: 'SW_REQUEST_INVALID' }],
      ['jfr', 'FLR', { format: 'jfr' }, { status: 415, code: 'SW_UNSUPPORTED_FORMAT' }],
      ['unknown', 'a 1', { format: 'toString' }, { status: 415, code: 'SW_UNSUPPORTED_FORMAT' }],
    ];
    for (const [what, body, parameters, error] of wrong)
      expect([what, await failure(await post(body, { name: 'wrong', ...parameters }))]).toEqual([
        what,
        error,
      ]);
    const jfr = await post('FLR', { name: 'wrong', format: 'jfr' });
    expect(((await jfr.json()) as { fix: string }).fix).toContain('jfrconv');
    const { values } = await running.json('/api/v1/labels/service_name/values');
    expect(values).not.toContain('wrong');
  });

  it('is refused past its limits, whatever few bytes ask for', async () => {
    // A chain of nodes, each with a count: stacks as long as all nodes before.
    const chain = Buffer.concat([
      Buffer.from([0, 0, 1]),
      ...new Array(100_000).fill(Buffer.from([1, 0x61, 1, 1])),
      Buffer.from([1, 0x61, 1, 0]),
    ]);
    for (const format of ['tree', 'trie']) {
      const answer = await post(chain, { name: 'chain', format });
      expect([format, await failure(answer)]).toEqual([format, { status: 413, code: 'SW_PPROF_LIMIT' }]);
    }
    const stacks = Array.from({ length: 1_000_001 }, (_, i) => `${i.toString(36)} 1`).join('\n');
    expect(await failure(await post(gzipSync(stacks), { name: 'many' }))).toEqual({
      status: 413,
      code: 'SW_PPROF_LIMIT',
    });
    const long = `${'x'.repeat(70_000)} 1`;
    expect(await failure(await post(long, { name: 'long' }))).toEqual({
      status: 413,
      code: 'SW_PPROF_LIMIT',
    });
    // A million times the same line is one stack.
    const lines = gzipSync('main;work\n'.repeat(1_000_000));
    expect((await post(lines, { name: 'same', format: 'lines' })).status).toBe(200);
    expect(await folded('same')).toEqual(['main;work 10000000000000']);
  });
});
