// SPDX-License-Identifier: Apache-2.0
// Debug information that arrives after the profiles: what is taken in, what is refused, and what questions answer.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { encode } from '#native/profile';
import { goTop } from '../helpers/go-pprof.js';
import { columnsOfPlaces, type Place } from '../helpers/places.js';
import { decodePprof } from '../helpers/pprof.js';
import {
  buildIdOf,
  compileCpp,
  functionsOf,
  llvmFrames,
  offsetsOf,
  run,
  scratch,
  strip,
} from '../symbols/fixtures.js';
import { failure, type Running, server } from './fixtures.js';

const place = scratch();
const path = (name: string) => join(place.folder, name);
let full = '';
let buildId = '';
/** Addresses: an instruction inside of two inlined calls, and the returns to its callers. */
let leaf = 0;
const callers: number[] = [];
let offsets: number[] = [];

/** The address after the first call of `callee` in `caller`. */
function returnTo(caller: string, callee: string): number {
  const text = run('objdump', ['-d', '--no-show-raw-insn', `--disassemble=${caller}`, full]);
  const lines = text.split('\n');
  const call = lines.findIndex(line => line.includes('call') && line.includes(callee));
  return Number.parseInt(lines[call + 1]!.trim(), 16);
}

beforeAll(() => {
  full = compileCpp(place.folder);
  buildId = buildIdOf(full);
  strip(full, path('stripped'), path('debug'), false);
  run('objcopy', ['--strip-debug', full, path('symtab')]);
  const symbol = (part: string) => functionsOf(full).find(({ name }) => name.includes(part))!;
  const hidden = symbol('hidden');
  // Where most is inlined.
  const inside = Array.from({ length: hidden.size }, (_, i) => hidden.address + i);
  const frames = llvmFrames(full, inside);
  leaf = inside[frames.findIndex(found => found.length === 3)]!;
  callers.push(returnTo(symbol('file_local').name, 'hidden'), returnTo('plain_c', 'file_local'));
  offsets = offsetsOf(full, [leaf, ...callers]);
});
afterAll(() => place.remove());

let running: Running;
afterEach(() => running?.stop());

const START = Math.floor(Date.now() / 1000) * 1000 - 60_000;

/** One stack through the program, worth 30 samples, and one of 10 that nobody will ever name. */
async function push(url: string, id = buildId, file = '/srv/app/stripped'): Promise<void> {
  const at = (offset: number): Place => ({ offset, reason: 'no_symbols' });
  const pprof = await encode(
    columnsOfPlaces(
      [
        { places: offsets.map(at), value: 30n, pid: '7' },
        { places: [at(0xffff_0000), at(offsets[2]!)], value: 10n, pid: '8' },
      ],
      {
        buildId: id,
        file,
        time: START,
        comments: [
          'stackwell.samples 40',
          'stackwell.frames 110',
          'stackwell.unresolved.no_symbols 110',
          'stackwell.clock cpu-clock',
        ],
      },
    ),
  );
  const answer = await fetch(`${url}/ingest?format=pprof&name=app`, {
    method: 'POST',
    body: pprof as BodyInit,
  });
  expect(answer.status).toBe(200);
}

const RANGE = {
  type: 'process_cpu:cpu:nanoseconds:cpu:nanoseconds',
  from: String(START - 1000),
  until: String(START + 60_000),
};
/** /ingest names the profile after its sample type. */
const question = async (): Promise<Record<string, string>> => {
  const { types } = await running.json('/api/v1/types', { from: RANGE.from, until: RANGE.until });
  return { ...RANGE, type: types[0].id };
};

const put = (id: string, body: Uint8Array | string, url = running.url): Promise<Response> =>
  fetch(`${url}/api/v1/debuginfo/${id}`, {
    method: 'PUT',
    body: (typeof body === 'string' ? readFileSync(body) : body) as BodyInit,
  });
const putJson = async (id: string, body: Uint8Array | string) => {
  const answer = await put(id, body);
  // biome-ignore lint/suspicious/noExplicitAny: checked by the tests
  return { status: answer.status, ...((await answer.json()) as any) };
};
const stored = () => running.json('/api/v1/debuginfo');
const debugFolder = (folder: string) => {
  const names = readdirSync(folder).includes('debuginfo') ? readdirSync(join(folder, 'debuginfo')) : [];
  return names.flatMap(name =>
    name === 'incoming' ? readdirSync(join(folder, 'debuginfo/incoming')) : [name],
  );
};

interface Flame {
  depth: number[];
  total: number[];
  function: number[];
  functions: { name: string[]; file: string[]; reason: string[]; buildId: string[] };
  stats: { unresolved: Record<string, number>; named: number; late: Record<string, number> };
  warnings: string[];
}
const drawing = ({ depth, total, function: row, functions }: Flame) =>
  depth.map((d, i) => `${' '.repeat(d)}${functions.name[row[i]!]!.replace(/\([^()]*\)$/, '')} ${total[i]}`);
const flamegraph = async (): Promise<Flame> => running.json('/api/v1/flamegraph', await question());

const NEVER = '  stripped+0xffff0000 10';
const unnamed = () => {
  const [inside, called, root] = offsets.map(offset => `stripped+0x${offset.toString(16)}`);
  return ['total 40', ` ${root} 40`, `  ${called} 30`, `   ${inside} 30`, NEVER];
};
const FUNCTIONS = ['total 40', ' plain_c 40', '  file_local 30', '   (anonymous namespace)::hidden 30'];
const BY_SYMBOLS = [...FUNCTIONS, NEVER];
const NAMED = [...FUNCTIONS, '    middle 30', '     innermost 30', NEVER];

describe('late names', () => {
  it('are in every answer as soon as the debug file is there, with lines and inlined calls', async () => {
    running = await server();
    await push(running.url);
    const before = await flamegraph();
    expect(drawing(before)).toEqual(unnamed());
    const { reason, buildId: ids } = before.functions;
    expect(reason).toEqual(['', ...Array.from({ length: 4 }, () => 'no_symbols')]);
    expect(ids).toEqual(['', ...Array.from({ length: 4 }, () => buildId)]);
    expect(before.stats).toMatchObject({ unresolved: { no_symbols: 110 }, named: 0, late: {} });

    expect(await putJson(buildId, path('debug'))).toMatchObject({
      status: 201,
      result: 'stored',
      file: { buildId, role: 'debug', kind: 'dwarf', size: statSync(path('debug')).size, origin: 'upload' },
    });

    const after = await flamegraph();
    expect(drawing(after)).toEqual(NAMED);
    expect(after.functions.buildId.filter(id => id !== '')).toEqual([buildId]);
    // 30 × 3 + 10 frames of 110 were named.
    expect(after.stats).toMatchObject({
      frames: 110,
      named: 100,
      unresolved: { no_symbols: 10 },
      late: { no_symbols: 100 },
    });
    expect(after.warnings).toEqual([]);

    const asked = await question();
    const top = await running.json('/api/v1/top', { ...asked, group_by: 'service_name' });
    for (const answer of [top, top.groups[0]]) {
      expect(answer.functions.name[0]).toMatch(/innermost/);
      expect(answer.functions.file[0]).toMatch(/programs\/inlines\.cc$/);
      expect(answer.self[0]).toBe(30);
    }
    const text = async (format: string) =>
      (await running.get('/api/v1/flamegraph', { ...asked, format })).text();
    expect(await text('folded')).toMatch(/^plain_c;file_local\(.*;.*hidden.*;.*middle.*;.*innermost.* 30$/m);
    expect(await text('svg')).toContain('innermost');
    expect(JSON.parse(await text('speedscope')).shared.frames.map((f: { name: string }) => f.name)).toContain(
      'plain_c',
    );

    for (const labels of ['true', 'false']) {
      const answer = await running.get('/api/v1/pprof', { ...asked, sample_labels: labels });
      const bytes = Buffer.from(await answer.arrayBuffer());
      const profile = decodePprof(bytes);
      expect(profile.comments).toMatchObject({
        named: '100',
        'unresolved.no_symbols': '10',
        'late.no_symbols': '100',
      });
      const sample = profile.samples.find(({ values }) => values[0] === 30)!;
      // A return address belongs to the call in front of it.
      const expected = [
        ...llvmFrames(full, [leaf]),
        ...llvmFrames(
          full,
          callers.map(address => address - 1),
        ),
      ].flat();
      expect(sample.frames.map(({ file, line }) => `${file}:${line}`)).toEqual(
        expected.map(({ file, line }) => `${file}:${line}`),
      );
      writeFileSync(path('out.pb.gz'), bytes);
      expect(goTop(path('out.pb.gz')).rows.get('plain_c')).toEqual({ flat: 0, cum: 40 });
    }
    const metrics = await (await running.get('/metrics')).text();
    expect(metrics).toMatch(/^stackwell_late_places_total\{result="named"\} [1-9]/m);
    expect(metrics).toMatch(/^stackwell_late_places_total\{result="no_symbols"\} 1$/m);
    expect(metrics).toMatch(/^stackwell_debuginfo_files 1$/m);
  });

  it('come from a symbol table first, and from DWARF when that arrives', async () => {
    running = await server();
    await push(running.url);
    expect(await putJson(buildId, path('symtab'))).toMatchObject({
      status: 201,
      file: { role: 'executable', kind: 'symtab' },
    });
    expect(drawing(await flamegraph())).toEqual(BY_SYMBOLS);
    await putJson(buildId, path('debug'));
    expect(drawing(await flamegraph())).toEqual(NAMED);
    expect((await stored()).files.map((file: { role: string }) => file.role)).toEqual([
      'debug',
      'executable',
    ]);

    // What is worse than what is there is not taken, what is better is.
    expect(await putJson(buildId, path('stripped'))).toMatchObject({
      status: 200,
      result: 'kept',
      file: { kind: 'symtab' },
    });
    expect(await putJson(buildId, full)).toMatchObject({
      status: 201,
      file: { role: 'executable', kind: 'dwarf' },
    });
    expect(drawing(await flamegraph())).toEqual(NAMED);

    expect(
      await (await fetch(`${running.url}/api/v1/debuginfo/${buildId}`, { method: 'DELETE' })).json(),
    ).toEqual({ deleted: 2 });
    expect(drawing(await flamegraph())).toEqual(unnamed());
    expect(debugFolder(running.folder)).toEqual([]);
  });

  it('come from the executable alone, and from a debug file that eu-strip made', async () => {
    running = await server();
    await push(running.url);
    copyFileSync(full, path('for-eu'));
    run('eu-strip', ['-f', path('eu.debug'), '-o', path('eu-stripped'), path('for-eu')]);
    for (const file of [full, path('eu.debug')]) {
      await putJson(buildId, file);
      expect(drawing(await flamegraph())).toEqual(NAMED);
      await fetch(`${running.url}/api/v1/debuginfo/${buildId}`, { method: 'DELETE' });
    }
  });

  it('are there after a restart, and the data folder has nothing else', async () => {
    running = await server();
    await push(running.url);
    await putJson(buildId, path('debug'));
    const { folder } = running;
    await running.close();
    writeFileSync(join(folder, 'debuginfo/left-over'), 'x');
    writeFileSync(join(folder, 'debuginfo/incoming/half'), 'x');
    running = await server({ data: folder });
    expect(debugFolder(folder)).toEqual([
      expect.stringMatching(new RegExp(`^${buildId}\\.debug\\.[0-9a-f]{64}$`)),
    ]);
    expect(drawing(await flamegraph())).toEqual(NAMED);
  });

  it('do not come from a file that went away', async () => {
    running = await server();
    await push(running.url);
    await putJson(buildId, path('debug'));
    rmSync(join(running.folder, 'debuginfo'), { recursive: true });
    expect(drawing(await flamegraph())).toEqual(unnamed());
    expect((await stored()).files).toEqual([]);
    expect(await putJson(buildId, path('debug'))).toMatchObject({ status: 201 });
    expect(drawing(await flamegraph())).toEqual(NAMED);
  });
});

describe('uploads', () => {
  it('of the same content are one', async () => {
    running = await server();
    expect((await put(buildId, path('debug'))).status).toBe(201);
    const before = await stored();
    expect(await putJson(buildId.toUpperCase(), path('debug'))).toMatchObject({
      status: 200,
      result: 'present',
    });
    expect(await stored()).toEqual(before);
    expect(debugFolder(running.folder)).toHaveLength(1);
  });

  it('are refused with nothing kept when they are not what they should be', async () => {
    running = await server();
    const other = 'deadbeef'.repeat(5);
    const truncated = readFileSync(full).subarray(0, 100);
    const noId = join(place.folder, 'no-id');
    run('objcopy', ['--remove-section=.note.gnu.build-id', full, noId]);
    const cases: [string, Uint8Array | string, number, string][] = [
      [other, full, 422, 'SW_DEBUGINFO_BUILD_ID'],
      [buildId, noId, 422, 'SW_DEBUGINFO_BUILD_ID'],
      [buildId, new Uint8Array(1000).fill(7), 422, 'SW_DEBUGINFO_INVALID'],
      [buildId, truncated, 422, 'SW_DEBUGINFO_INVALID'],
      [buildId, new Uint8Array(0), 422, 'SW_DEBUGINFO_INVALID'],
      ['..%2f..%2fetc%2fpasswd', full, 400, 'SW_REQUEST_INVALID'],
      ['abc', full, 400, 'SW_REQUEST_INVALID'],
    ];
    for (const [id, body, status, code] of cases)
      expect(await failure(await put(id, body)), `${id} ${code}`).toEqual({ status, code });
    expect((await stored()).files).toEqual([]);
    expect(debugFolder(running.folder)).toEqual([]);
    const gone = await fetch(`${running.url}/api/v1/debuginfo/${other}`, { method: 'DELETE' });
    expect(await failure(gone)).toEqual({ status: 404, code: 'SW_DEBUGINFO_UNKNOWN' });
  });

  it('are refused when they are too large, also when they do not say how large they are', async () => {
    running = await server({ debuginfo: { maxFileBytes: 10_000 } });
    expect(await failure(await put(buildId, full))).toEqual({ status: 413, code: 'SW_DEBUGINFO_TOO_LARGE' });
    const status = await new Promise<number>((resolve, reject) => {
      const sent = request(`${running.url}/api/v1/debuginfo/${buildId}`, { method: 'PUT' }, answer => {
        answer.resume();
        resolve(answer.statusCode!);
      });
      sent.on('error', reject);
      sent.write(readFileSync(full).subarray(0, 9000));
      sent.write(readFileSync(full).subarray(9000, 18_000));
    });
    expect(status).toBe(413);
    expect(debugFolder(running.folder)).toEqual([]);
  });

  it('leave nothing when the sender goes away', async () => {
    running = await server();
    const sent = request(`${running.url}/api/v1/debuginfo/${buildId}`, { method: 'PUT' });
    sent.on('error', () => {});
    sent.write(readFileSync(full).subarray(0, 5000));
    await expect.poll(() => debugFolder(running.folder)).toHaveLength(1);
    sent.destroy();
    await expect.poll(() => debugFolder(running.folder)).toEqual([]);
  });

  it('make room: what was not used for longest goes', async () => {
    const size = statSync(full).size;
    running = await server({ debuginfo: { maxBytes: 2 * size + 1000 } });
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) {
      const file = path(`other-${i}`);
      const id = `${i}`.repeat(40);
      run('g++', [
        '-std=c++20',
        '-g',
        '-O2',
        `-Wl,--build-id=0x${id}`,
        '-o',
        file,
        fileURLToPath(new URL('../symbols/programs/inlines.cc', import.meta.url)),
      ]);
      ids.push(id);
      expect((await put(id, file)).status).toBe(201);
      await sleep(5);
    }
    const { files, bytes, maxBytes } = await stored();
    expect(files.map((file: { buildId: string }) => file.buildId)).toEqual(ids.slice(1));
    expect(bytes).toBeLessThanOrEqual(maxBytes);
    expect(debugFolder(running.folder)).toHaveLength(2);
    expect(await (await running.get('/metrics')).text()).toMatch(/^stackwell_debuginfo_evicted_total 1$/m);
  });
});

describe('kill -9', () => {
  const SERVE = fileURLToPath(new URL('./serve.mjs', import.meta.url));
  let child: ChildProcess | null = null;
  afterEach(() => child?.kill('SIGKILL'));

  it('in the middle of an upload leaves nothing, and what was acknowledged stays', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'stackwell-kill-'));
    child = fork(SERVE, [folder], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const [{ url }] = (await once(child, 'message')) as [{ url: string }];
    await push(url);
    expect((await put(buildId, path('symtab'), url)).status).toBe(201);
    const sent = request(`${url}/api/v1/debuginfo/${buildId}`, { method: 'PUT' });
    sent.on('error', () => {});
    sent.write(readFileSync(full).subarray(0, 5000));
    await expect.poll(() => debugFolder(folder)).toHaveLength(2);
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    running = await server({ data: folder });
    expect(debugFolder(folder)).toHaveLength(1);
    expect(drawing(await flamegraph())).toEqual(BY_SYMBOLS);
    expect((await put(buildId, full)).status).toBe(201);
    expect(drawing(await flamegraph())).toEqual(NAMED);
  });
});
