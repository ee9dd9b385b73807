// SPDX-License-Identifier: Apache-2.0
// Collectors are apart from each other: what one lacks or breaks is its own loss.

import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type CollectorPlugin, collector, type Samples } from '../../src/agent/metrics/collector.js';
import { Targets } from '../../src/agent/metrics/targets.js';
import type { StackwellError } from '../../src/errors.js';
import { collect, HOST } from './collected.js';

function made(name: string, samples: () => Promise<Samples>): CollectorPlugin {
  return collector({
    name,
    about: 'made',
    families: [{ name: 'things_total', help: 'things', type: 'counter' }],
    options: z.strictObject({ least: z.int().default(1) }),
    start: () => ({ collect: samples, overflow: () => 3 }),
  });
}
const works = (name: string) => made(name, async () => ({ things_total: [{ labels: HOST, value: 7 }] }));

describe('collectors', () => {
  it('are read once a scrape, and named after what they are', async () => {
    let reads = 0;
    const twice = collector({
      ...works('twice'),
      families: [
        { name: 'a', help: 'a', type: 'gauge' },
        { name: 'b', help: 'b', type: 'gauge' },
      ],
      start: () => ({
        async collect() {
          reads++;
          return { a: [{ labels: HOST, value: 1 }], b: [{ labels: HOST, value: 2 }] };
        },
      }),
    });
    const { scrape } = await collect([twice]);
    const { text } = await scrape();
    expect(text).toContain('# TYPE stackwell_twice_a gauge\nstackwell_twice_a{host="h1",region="r1"} 1\n');
    expect(text).toContain('stackwell_twice_b{host="h1",region="r1"} 2\n');
    expect(reads).toBe(1);
    await scrape();
    expect(reads).toBe(2);
  });

  it('that cannot work here say why once, and others go on', async () => {
    const lacks = collector({
      ...works('lacks'),
      start: ({ watch }) => {
        watch();
        return { collect: async () => ({}) };
      },
    });
    const { scrape, warnings, collectors } = await collect([lacks, works('other')]);
    expect(warnings).toEqual([expect.objectContaining({ collector: 'lacks', code: 'SW_NATIVE_MISSING' })]);
    expect(collectors.states).toEqual([
      { name: 'lacks', state: 'unavailable', reason: expect.stringContaining('lacks.bpf.o') },
      { name: 'other', state: 'running' },
    ]);
    const now = await scrape();
    expect(now.value('stackwell_agent_collector_up', { collector: 'lacks' })).toBe(0);
    expect(now.value('stackwell_agent_collector_up', { collector: 'other' })).toBe(1);
    expect(now.value('stackwell_other_things_total')).toBe(7);
    expect(now.text).not.toContain('stackwell_lacks_');
    expect(now.value('stackwell_agent_collector_overflow_total', { collector: 'other' })).toBe(3);
  });

  it('that break are counted, and come back', async () => {
    let broken = true;
    const breaks = made('breaks', async () => {
      if (broken) throw new Error('no such file');
      return { things_total: [{ labels: HOST, value: 1 }] };
    });
    const { scrape, warnings } = await collect([breaks, works('other')]);
    const now = await scrape();
    expect(now.value('stackwell_breaks_things_total')).toBeNaN();
    expect(now.value('stackwell_other_things_total')).toBe(7);
    expect(now.value('stackwell_agent_collector_failures_total', { collector: 'breaks' })).toBe(1);
    expect(warnings).toEqual([
      expect.objectContaining({ collector: 'breaks', reason: expect.stringContaining('no such file') }),
    ]);
    broken = false;
    expect((await scrape()).value('stackwell_breaks_things_total')).toBe(1);
  });

  it('are switched off and set by the configuration, which must fit', async () => {
    const off = await collect([works('one')], { one: { enabled: false } });
    expect((await off.scrape()).text).not.toContain('stackwell_one');
    const refused = async (settings: Record<string, object>) =>
      collect([works('one')], settings as never).catch((error: StackwellError) => error.message);
    expect(await refused({ two: { enabled: true } })).toContain(
      'agent.metrics.two: there is no such collector; there are one',
    );
    expect(await refused({ one: { enabled: true, least: 'x' } })).toMatch(/agent\.metrics\.one: .*least/s);
    expect(await refused({ one: { enabled: true, most: 1 } })).toMatch(/agent\.metrics\.one: .*most/s);
  });
});

it('more containers than are allowed share one series, and are counted', async () => {
  const name = (id: bigint) => `c${id}`.padEnd(64, '0');
  const targets = new Targets(
    {
      index: { pathOf: () => '/', paths: () => ['/1', '/2', '/3'].values() } as never,
      async *present() {},
      directory: () => null,
      layout: { hierarchy: 'v2', mount: '/' },
      describe: async id => ({
        kind: 'container',
        path: `/${id}`,
        container: { id: name(id), name: '', pod: 'p', namespace: 'n' } as never,
      }),
    },
    { ...HOST, maxContainers: 2 },
  );
  expect(await targets.of(1n)).toEqual({
    ...HOST,
    container: name(1n).slice(0, 12),
    pod: 'p',
    namespace: 'n',
  });
  expect(await targets.of(1n)).toBe(await targets.of(1n));
  await targets.of(2n);
  const others = await targets.of(3n);
  expect(others).toEqual({ ...HOST, container: '(others)', pod: '', namespace: '' });
  expect(await targets.of(4n)).toBe(others);
  expect(targets.omitted).toBe(2);
  // 4 is gone.
  targets.prune();
  expect(targets.omitted).toBe(1);
});
