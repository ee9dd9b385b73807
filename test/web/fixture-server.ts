// SPDX-License-Identifier: Apache-2.0
// The API of docs/api.md over profiles made in code, with the built page and a strict content security policy: what the
// page's own tests run against. It answers as the server does, errors included, and can be told to have no data.
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { noCoverage } from '../../src/profile/coverage.js';
import { type Matcher, ON_CPU, SAMPLE_LABELS } from '../../src/profile/types.js';
import type { DiffAnswer, Stats } from '../../web/lib/api.js';
import { parseQuery } from '../../web/lib/query.js';
import { parseTime } from '../../web/lib/time.js';
import { type Sample, type Tree, treeOf, windowOf } from './fixture-data.js';

const WEB = join(fileURLToPath(new URL('.', import.meta.url)), '../../build/web');
const MIME: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.map': 'application/json',
};
/** As strict as the server's own. */
const CSP = [
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'",
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
].join('; ');

export const STATS: Stats = {
  samples: 12_000,
  complete: 11_928,
  incomplete: { no_table: 48, depth: 4, unreadable: 20 },
  truncated: 4,
  frames: 240_000,
  named: 239_502,
  perfmap: 0,
  unresolved: { no_symbols: 188, jit_unknown: 310 },
  lost: { counts_full: 0, stack_ring_full: 12 },
  clocks: ['cpu-clock'],
};

export interface FixtureServer {
  url: string;
  /** Paths of API requests in order. */
  requests: string[];
  /** What the next answers are to be. */
  mode: {
    /** No profile before this moment; Infinity is an empty store. */
    dataFrom: number;
    /** Every API request is answered by this. */
    error: { status: number; code: string; message: string; fix: string } | null;
    warnings: string[];
    tree: Tree | null;
    stats: Stats | null;
    /** What comparisons are answered by. */
    diff: DiffAnswer | null;
  };
  close: () => Promise<void>;
}

class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly fix: string,
  ) {
    super(message);
  }
}

function matches(matcher: Matcher, value: string): boolean {
  switch (matcher.op) {
    case '=':
      return value === matcher.value;
    case '!=':
      return value !== matcher.value;
    case '=~':
      return new RegExp(`^(?:${matcher.value})$`).test(value);
    case '!~':
      return !new RegExp(`^(?:${matcher.value})$`).test(value);
  }
}

interface Question {
  type: string;
  matchers: Matcher[];
  from: number;
  until: number;
}

function questionOf(search: URLSearchParams): Question {
  const now = Math.ceil(Date.now() / 1000) * 1000;
  const time = (name: string, fallback: string) => {
    const text = search.get(name) ?? fallback;
    const value = parseTime(text, now);
    if (value === null)
      throw new Refused(400, 'SW_TIME_INVALID', `the time ${text} is not valid`, 'Use RFC 3339.');
    return value;
  };
  const parsed = parseQuery(search.get('query') ?? '');
  if (!parsed.ok)
    throw new Refused(
      400,
      'SW_QUERY_INVALID',
      `the query is not valid: ${parsed.reason}`,
      'Write matchers as in Prometheus.',
    );
  return {
    type: search.get('type') ?? ON_CPU,
    matchers: parsed.matchers,
    from: time('from', 'now-15m'),
    until: time('until', 'now'),
  };
}

/** Windows are made on request and kept: the same window has the same samples however it is asked for. */
const windows = new Map<number, Sample[]>();
function select(q: Question, dataFrom: number): { start: number; sample: Sample }[] {
  const out: { start: number; sample: Sample }[] = [];
  // Long ranges come from coarser levels in the real server; here every hundredth window stands for the others.
  const stride = q.until - q.from > 4 * 3_600_000 ? 12 : 1;
  const first = Math.ceil(Math.max(q.from, dataFrom, Date.now() - 30 * 3_600_000) / 10_000) * 10_000;
  for (let start = first; start < Math.min(q.until, Date.now() - 11_000); start += 10_000 * stride) {
    let samples = windows.get(start);
    if (samples === undefined) {
      samples = windowOf(start);
      windows.set(start, samples);
    }
    for (const sample of samples)
      if (
        (q.type === '' || sample.type === q.type) &&
        q.matchers.every(m => matches(m, sample.labels[m.name] ?? ''))
      )
        out.push({ start, sample: stride === 1 ? sample : { ...sample, value: sample.value * stride } });
  }
  return out;
}

const isSampleLabel = (name: string) => (SAMPLE_LABELS as readonly string[]).includes(name);

function answer(path: string, search: URLSearchParams, mode: FixtureServer['mode']): unknown {
  const q = questionOf(search);
  const base = { from: q.from, until: q.until, warnings: mode.warnings };
  if (path === 'diff' && mode.diff !== null) return mode.diff;
  if (path === 'types') {
    const found = new Set(select({ ...q, type: '' }, mode.dataFrom).map(({ sample }) => sample.type));
    return { ...base, types: [...found].sort().map(id => ({ id })) };
  }
  const rows = select(q, mode.dataFrom);
  if (path === 'labels') {
    const names = new Set(rows.flatMap(({ sample }) => Object.keys(sample.labels)));
    return {
      ...base,
      names: [...names].filter(n => !isSampleLabel(n)).sort(),
      sampleNames: [...names].filter(isSampleLabel).sort(),
    };
  }
  const values = /^labels\/([^/]+)\/values$/.exec(path);
  if (values !== null) {
    const found = new Set(rows.map(({ sample }) => sample.labels[values[1]!] ?? ''));
    found.delete('');
    const limit = Number(search.get('limit') ?? 1000);
    const sorted = [...found].sort();
    return { ...base, values: sorted.slice(0, limit), omitted: Math.max(0, sorted.length - limit) };
  }
  if (path === 'timeline') {
    const step = Math.max(1, Math.round((q.until - q.from) / 10_000 / 200)) * 10_000;
    const by = (search.get('group_by') ?? '').split(',').filter(Boolean);
    if (by.some(isSampleLabel))
      throw new Refused(400, 'SW_REQUEST_INVALID', 'group_by takes labels of profiles', '');
    const series = new Map<string, { labels: Record<string, string>; sums: Map<number, number> }>();
    for (const { start, sample } of rows) {
      const labels = Object.fromEntries(by.map(name => [name, sample.labels[name] ?? '']));
      const key = JSON.stringify(labels);
      let one = series.get(key);
      if (one === undefined) {
        one = { labels, sums: new Map() };
        series.set(key, one);
      }
      const bucket = Math.floor(start / step) * step;
      one.sums.set(bucket, (one.sums.get(bucket) ?? 0) + sample.value);
    }
    return {
      ...base,
      step,
      omittedSeries: 0,
      series: [...series.values()].map(({ labels, sums }) => ({
        labels,
        times: [...sums.keys()],
        totals: [...sums.values()],
      })),
    };
  }
  const tree = mode.tree ?? treeOf(rows.map(({ sample }) => sample));
  const stats = rows.length === 0 ? { ...noCoverage(), clocks: [] } : (mode.stats ?? STATS);
  const profiles = new Set(rows.map(({ start, sample }) => `${start} ${sample.labels.service_name}`)).size;
  if (path === 'flamegraph')
    return {
      ...base,
      type: q.type,
      unit: 'nanoseconds',
      profiles,
      ...tree,
      omittedNodes: 0,
      stats,
      limited: false,
    };
  if (path === 'top') {
    const self = new Array<number>(tree.functions.name.length).fill(0);
    const total = new Array<number>(tree.functions.name.length).fill(0);
    const until = new Array<number>(tree.functions.name.length).fill(-1);
    for (let row = 0; row < tree.depth.length; row++) {
      const fn = tree.function[row]!;
      self[fn]! += tree.self[row]!;
      // A frame inside another of the same function starts before that one's end.
      if (tree.start[row]! >= until[fn]!) {
        total[fn]! += tree.total[row]!;
        until[fn] = tree.start[row]! + tree.total[row]!;
      }
    }
    const order = self
      .map((_, i) => i)
      .slice(1)
      .sort((a, b) => self[b]! - self[a]! || total[b]! - total[a]!);
    const limit = Number(search.get('limit') ?? 200);
    const kept = order.slice(0, limit);
    const pick = (column: string[]) => kept.map(i => column[i]!);
    return {
      ...base,
      profiles,
      sum: tree.sum,
      functions: {
        name: pick(tree.functions.name),
        file: pick(tree.functions.file),
        module: pick(tree.functions.module),
        reason: pick(tree.functions.reason),
        buildId: pick(tree.functions.buildId),
      },
      self: kept.map(i => self[i]!),
      total: kept.map(i => total[i]!),
      omitted: order.length - kept.length,
      stats,
      limited: false,
    };
  }
  throw new Refused(
    404,
    'SW_NOT_FOUND',
    `there is nothing at ${path}`,
    'See /openapi.json for the endpoints.',
  );
}

export async function startFixtureServer(): Promise<FixtureServer> {
  const requests: string[] = [];
  const mode: FixtureServer['mode'] = {
    dataFrom: 0,
    error: null,
    warnings: [],
    tree: null,
    stats: null,
    diff: null,
  };

  const respond = async (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? '/', 'http://fixture');
    const send = (
      status: number,
      type: string,
      body: string | Buffer,
      headers: Record<string, string> = {},
    ) => {
      response.writeHead(status, { 'content-type': type, 'content-security-policy': CSP, ...headers });
      response.end(body);
    };
    if (!url.pathname.startsWith('/api/v1/')) {
      const name = url.pathname === '/' ? 'index.html' : normalize(url.pathname).replace(/^(\.\.[/\\])+/, '');
      const body = await readFile(join(WEB, name)).catch(() => null);
      if (body === null) return send(404, 'text/plain', 'not found');
      return send(200, MIME[extname(name)] ?? 'application/octet-stream', body);
    }
    requests.push(url.pathname + url.search);
    try {
      if (mode.error !== null)
        throw new Refused(mode.error.status, mode.error.code, mode.error.message, mode.error.fix);
      const noun = url.pathname.slice('/api/v1/'.length);
      const format = url.searchParams.get('format') ?? 'json';
      if (noun === 'pprof' || (noun === 'flamegraph' && format !== 'json')) {
        const q = questionOf(url.searchParams);
        const name = noun === 'pprof' ? 'profile.pb.gz' : `profile.${format}`;
        const text = `${noun} ${format} ${select(q, mode.dataFrom).length}\n`;
        return send(200, 'application/octet-stream', noun === 'pprof' ? gzipSync(text) : text, {
          'content-disposition': `attachment; filename="${name}"`,
        });
      }
      return send(200, 'application/json', JSON.stringify(answer(noun, url.searchParams, mode)));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return send(
        error.status,
        'application/json',
        JSON.stringify({ code: error.code, message: error.message, fix: error.fix }),
      );
    }
  };

  const server = createServer((request, response) => {
    respond(request, response).catch((error: unknown) => {
      response.writeHead(500).end(String(error));
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    mode,
    close: () =>
      new Promise<void>(resolve => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
