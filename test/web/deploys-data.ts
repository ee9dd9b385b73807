// SPDX-License-Identifier: Apache-2.0
// A service with deploys whose truth is known: each window of each instance has the samples that a busy one at 19 Hz gives,
// drawn at random from costs that we chose.
import { random } from '../../bench/statistics/simulate.mjs';
import { pprof, type Running } from '../server/fixtures.js';

const PERIOD = 10_000_000n;
export const WINDOW = 10_000;

/** What calls what, root first, with what the last one does itself. */
const PATHS: [path: string, cost: number][] = [
  ['main>http::serve>router::dispatch>checkout::handle>order::parse>json::decode', 17],
  ['main>http::serve>router::dispatch>checkout::handle>order::parse>json::decode>json::skip_space', 3],
  ['main>http::serve>router::dispatch>checkout::handle>order::parse>order::validate', 4],
  ['main>http::serve>router::dispatch>checkout::handle>cart::price>discount::apply', 6],
  ['main>http::serve>router::dispatch>checkout::handle>cart::price>tax::lookup>cache::get', 5],
  ['main>http::serve>router::dispatch>checkout::handle>cart::price>tax::lookup>cache::get>hash::fnv1a', 4],
  ['main>http::serve>router::dispatch>checkout::handle>card::charge>tls::write>aes::gcm_encrypt', 7],
  ['main>http::serve>router::dispatch>checkout::handle>card::charge>http::post', 2],
  ['main>http::serve>router::dispatch>checkout::handle>receipt::render>template::execute', 5],
  ['main>http::serve>router::dispatch>checkout::handle>receipt::render>template::execute>html::escape', 10],
  ['main>http::serve>router::dispatch>search::handle>query::tokenize', 4],
  ['main>http::serve>router::dispatch>search::handle>index::lookup>posting::decode', 9],
  ['main>http::serve>router::dispatch>search::handle>index::lookup>bitmap::intersect', 6],
  ['main>http::serve>router::dispatch>search::handle>rank::score', 8],
  ['main>http::serve>router::dispatch>search::handle>json::encode>json::write_string', 5],
  ['main>http::serve>tls::read>aes::gcm_decrypt', 4],
  ['main>metrics::flush>histogram::merge', 2],
  ['main>metrics::flush>gzip::deflate', 2],
];
for (let i = 0; i < 24; i++)
  PATHS.push([`main>pool::worker>job::run>job::step_${i % 8}>util::helper_${i}`, 0.4]);

/** What is signed is new in v42. */
export const NEW = 'audit::sign';
const NEW_PATH = `main>http::serve>router::dispatch>checkout::handle>card::charge>${NEW}`;

/** json::decode does two fifths more in v42, html::escape a third less. */
export const DEARER = { name: 'json::decode', by: 0.4 };
export const CHEAPER = { name: 'html::escape', by: -1 / 3 };

function costs(version: 'old' | 'new'): [stack: string[], cost: number][] {
  const changed = PATHS.map(([path, cost]): [string[], number] => {
    const stack = path.split('>').reverse();
    const factor =
      version === 'old'
        ? 1
        : stack[0] === DEARER.name
          ? 1 + DEARER.by
          : stack[0] === CHEAPER.name
            ? 1 + CHEAPER.by
            : 1;
    return [stack, cost * factor];
  });
  if (version === 'new') changed.push([NEW_PATH.split('>').reverse(), 2.5]);
  return changed;
}

interface Run {
  service: string;
  deploy: string;
  version: 'old' | 'new';
  host: string;
  /** Unix milliseconds. */
  from: number;
  windows: number;
  /** Of one window. */
  samples: number;
}

async function run(running: Running, next: () => number, given: Run): Promise<void> {
  const { service, deploy, version, host, from, windows, samples } = given;
  const all = costs(version);
  const whole = all.reduce((sum, [, cost]) => sum + cost, 0);
  for (let window = 0; window < windows; window++) {
    const counts = new Map<number, number>();
    for (let i = 0; i < samples; i++) {
      let at = next() * whole;
      let row = 0;
      while (row < all.length - 1 && at >= all[row]![1]) at -= all[row++]![1];
      counts.set(row, (counts.get(row) ?? 0) + 1);
    }
    const body = await pprof({
      samples: [...counts].map(([row, count]) => ({ stack: all[row]![0], values: [BigInt(count) * PERIOD] })),
      time: from + window * WINDOW,
    });
    const answer = await running.ingest(body, { name: `${service}{deploy=${deploy},host=${host}}` });
    if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`);
  }
}

export interface Truth {
  /** Unix milliseconds; the end of the last window. */
  now: number;
}

/** checkout: v40, v41 and v42 one after the other; catalog: 7 and 8 at once, and the same; young: too little to tell. */
export async function pushDeploys(running: Running): Promise<Truth> {
  // Of this seed the draws come near to the costs.
  const next = random(14);
  const now = Math.floor(Date.now() / WINDOW) * WINDOW;
  const minutes = (count: number) => now - count * 60_000;
  for (const host of ['node-1', 'node-2', 'node-3']) {
    const checkout = { service: 'checkout', host, samples: 190 };
    await run(running, next, { ...checkout, deploy: 'v40', version: 'old', from: minutes(23), windows: 18 });
    await run(running, next, { ...checkout, deploy: 'v41', version: 'old', from: minutes(20), windows: 60 });
    await run(running, next, { ...checkout, deploy: 'v42', version: 'new', from: minutes(10), windows: 60 });
    const catalog = {
      service: 'catalog',
      samples: 120,
      windows: 60,
      from: minutes(10),
      version: 'old' as const,
    };
    await run(running, next, { ...catalog, deploy: '7', host: `${host}-a` });
    await run(running, next, { ...catalog, deploy: '8', host: `${host}-b` });
  }
  const young = { service: 'young', host: 'node-1', windows: 2, samples: 5, version: 'old' as const };
  await run(running, next, { ...young, deploy: '1', from: minutes(3) });
  await run(running, next, { ...young, deploy: '2', from: minutes(1) });
  return { now };
}
