// SPDX-License-Identifier: Apache-2.0
// What happens between ingest and questions when symbols leave the store, by retention or by damage.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, it } from 'vitest';
import { serverSchema } from '../../src/config/config.js';
import { InFlight } from '../../src/server/ingest/in-flight.js';
import { Ingest } from '../../src/server/ingest/ingest.js';
import { Writers } from '../../src/server/ingest/writers.js';
import { Metrics } from '../../src/server/metrics.js';
import { Discovery } from '../../src/server/query/discovery.js';
import { Query } from '../../src/server/query/query.js';
import { parseQuestion } from '../../src/server/query/question.js';
import { openEmbeddedStore } from '../../src/store/embedded/embedded-store.js';
import { pprof, server } from './fixtures.js';

const STACK = ['leaf', 'middle', 'root'];

it('writes symbols again that retention took while a writer still counted on them', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'stackwell-retention-'));
  const store = await openEmbeddedStore(folder);
  try {
    const writers = new Writers();
    const metrics = new Metrics({ store, inFlight: new InFlight(1), writers });
    const ingest = new Ingest(store, writers, {}, 86_400_000, metrics);
    const send = async (value: number) =>
      ingest.add('', [
        {
          pprof: await pprof({ samples: [{ stack: STACK, values: [value] }] }),
          labels: [['service_name', 'a']],
          id: null,
          from: null,
          until: null,
        },
      ]);
    await send(1);
    await send(2);
    // The second one found its stack known: there is one segment.
    expect(await store.stats()).toMatchObject({ profiles: 2, segments: 1 });
    await store.expire({ maxAge: { 0: 0 }, maxBytes: 0 }, Date.now() + 7_200_000);
    expect(await store.stats()).toMatchObject({ profiles: 0, segments: 0 });
    expect(await send(4)).toEqual({ stored: 1, duplicates: 0, refused: [] });

    const query = new Query(store, serverSchema.parse({}), metrics);
    const { merger, warnings } = await query.merge(await parseQuestion(new Discovery(store, {}), {}, ''));
    const top = await merger.top();
    expect([top.sum, [...top.functions.name].sort(), warnings]).toEqual([4n, [...STACK].sort(), []]);
  } finally {
    await store.close();
    rmSync(folder, { recursive: true });
  }
});

it('answers with what is left, and a warning, when symbols or rows are damaged', async () => {
  const running = await server();
  try {
    for (const [name, value] of Object.entries({ whole: 1, symbols: 2, rows: 4, stats: 8, labels: 16 }))
      await running.ingest(await pprof({ samples: [{ stack: [name, 'root'], values: [value] }] }), { name });
    const db = new Database(join(running.folder, 'stackwell.db'));
    const ofService = 'IN (SELECT id FROM segments WHERE service = ?)';
    const junk = Buffer.from('damaged');
    expect(
      db.prepare(`UPDATE segment_bytes SET bytes = ? WHERE id ${ofService}`).run(junk, 'symbols').changes,
    ).toBe(1);
    const series = `IN (SELECT id FROM series WHERE labels LIKE '%rows%')`;
    expect(db.prepare(`UPDATE profiles SET rows = ? WHERE series ${series}`).run(junk).changes).toBe(1);
    const stats = `IN (SELECT id FROM series WHERE labels LIKE '%stats%')`;
    expect(db.prepare(`UPDATE profiles SET stats = '{' WHERE series ${stats}`).run().changes).toBe(1);
    const damagedSeries = db.prepare(`UPDATE series SET labels = '{"x' WHERE labels LIKE '%"labels"%'`);
    expect(damagedSeries.run().changes).toBe(1);
    db.close();
    const top = await running.json('/api/v1/top');
    expect([top.sum, top.profiles]).toEqual([1, 1]);
    expect(top.functions.name).toEqual(expect.arrayContaining(['whole', 'root']));
    expect(top.functions.name).not.toContain('rows');
    expect(top.warnings.filter((one: string) => one.includes('damaged'))).toHaveLength(2);
    expect(top.warnings.join()).toContain('4 profiles are damaged');
    expect((await running.get('/api/v1/pprof')).status).toBe(200);
  } finally {
    await running.stop();
  }
});
