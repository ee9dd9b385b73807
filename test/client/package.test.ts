// SPDX-License-Identifier: Apache-2.0
// What would be packed: the files that `exports` names, in a folder elsewhere, with no more than their dependencies.
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root, start, temporaryFolder } from '../helpers/stackwell.js';
import { server } from '../server/fixtures.js';
import { CPU, node, printed, programs, stored, sumOf } from './child.js';

interface Manifest {
  name: string;
  version: string;
  exports: Record<string, unknown>;
  dependencies: Record<string, string>;
}
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
/** Everything the client needs at run time, itself and through others. */
const DEPENDENCIES = ['@datadog/pprof', 'pprof-format', 'node-gyp-build'];

/** A folder with `stackwell` installed in it. */
function installed(): string {
  const folder = temporaryFolder();
  const package_ = join(folder, 'node_modules/stackwell');
  mkdirSync(package_, { recursive: true });
  cpSync(join(root, 'build/client'), join(package_, 'build/client'), { recursive: true });
  const { name, version, exports } = manifest;
  writeFileSync(join(package_, 'package.json'), JSON.stringify({ name, version, type: 'module', exports }));
  mkdirSync(join(folder, 'node_modules/@datadog'));
  for (const one of DEPENDENCIES)
    symlinkSync(join(root, 'node_modules', one), join(folder, 'node_modules', one));
  return folder;
}

describe('stackwell/client, elsewhere', () => {
  it.each(['esm.mjs', 'cjs.cjs'])('%s loads it, is profiled, and the numbers arrive', async file => {
    const running = await server();
    try {
      const folder = installed();
      for (const one of [file, 'work.cjs']) cpSync(join(programs, one), join(folder, one));
      const child = start(node, [join(folder, file), running.url], { cwd: folder });
      const { spent, same, stats } = await printed(child);
      expect([same, stats.sent]).toEqual([true, stats.taken]);
      const sum = sumOf(await stored(running, CPU, `{service_name="${file.split('.')[0]}"}`)) / 1e6;
      expect(sum).toBeGreaterThan((spent.burnHot + spent.burnWarm) * 0.95);
    } finally {
      await running.stop();
    }
  });

  it('loads nothing of the server, no native part before start(), and little of anything', () => {
    const files = readdirSync(join(root, 'build/client')).filter(name => name.endsWith('.js'));
    expect(files).toEqual(['index.js']);
    expect(statSync(join(root, 'build/client/index.js')).size).toBeLessThan(80_000);
    const program = `
      const before = new Set(Object.keys(require.cache));
      require('stackwell/client').init({ serviceName: 'x' });
      console.log(JSON.stringify(Object.keys(require.cache).filter(file => !before.has(file))));`;
    const folder = installed();
    const loaded = JSON.parse(
      execFileSync(node, ['-e', program], { cwd: folder, encoding: 'utf8' }),
    ) as string[];
    expect(loaded.map(file => file.slice(file.indexOf('stackwell/build')))).toEqual([
      'stackwell/build/client/index.js',
    ]);
  });

  it('without its native part it tells, and does nothing', async () => {
    const folder = installed();
    rmSync(join(folder, 'node_modules/@datadog/pprof'));
    const program = `
      import * as client from 'stackwell/client';
      client.init({ serviceName: 'x' });
      client.start();
      const answer = await client.wrapWithLabels({ a: 1 }, async () => 7);
      await client.stop();
      console.log(JSON.stringify({ answer, ...client.stats() }));`;
    const child = start(node, ['--input-type=module', '-e', program], { cwd: folder });
    expect(await printed(child)).toMatchObject({
      answer: 7,
      running: { cpu: false, wall: false, heap: false },
      taken: 0,
      lastError: expect.stringMatching(/^SW_CLIENT_PROFILER: .*@datadog\/pprof/),
    });
  });

  it('has its dependencies among those of the project', () => {
    const asked = [
      ...readFileSync(join(root, 'build/client/index.js'), 'utf8').matchAll(
        /(?:load|require)\(["']([^"']+)["']\)/g,
      ),
    ]
      .map(match => match[1]!)
      .filter(name => !name.startsWith('node:'));
    const names = [...new Set(asked.map(name => /^(@[^/]+\/)?[^/]+/.exec(name)![0]))].sort();
    expect(names).toEqual(['@datadog/pprof', 'pprof-format']);
    for (const name of names) expect(manifest.dependencies[name]).toBeDefined();
  });

  describe('types', () => {
    const source = `
      import client, { fastifyPlugin, init, start, stats, stop, wrapWithLabels, type ClientOptions } from 'stackwell/client';
      import Fastify from 'fastify';
      const options: ClientOptions = { serverUrl: new URL('http://127.0.0.1:4040'), labels: { region: 'eu', shard: 3 } };
      init(options);
      start();
      const app = Fastify();
      app.register(fastifyPlugin);
      app.register(fastifyPlugin, { pull: true });
      const length: number = wrapWithLabels({ a: 1 }, (text: string) => text.length, 'abc');
      const later: Promise<number> = wrapWithLabels({ a: 1 }, async () => length);
      const dropped: number = stats().dropped.queue_full;
      const same: typeof init = client.init;
      // @ts-expect-error there is no such option
      init({ servername: 'x' });
      // @ts-expect-error a label is text or number
      wrapWithLabels({ a: {} }, () => later);
      export const all = [dropped, same, stop({ timeoutMs: 10 })];
    `;
    let folder: string;
    const check = (name: string, text: string, options: object) => {
      writeFileSync(join(folder, name), text);
      const compilerOptions = {
        strict: true,
        noEmit: true,
        skipLibCheck: false,
        types: ['node'],
        target: 'es2022',
        ...options,
      };
      writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [name] }));
      try {
        execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', folder], { encoding: 'utf8' });
        return '';
      } catch (error) {
        return (error as { stdout: string }).stdout;
      }
    };
    it.each([
      ['import', 'app.mts', source, { module: 'nodenext' }],
      ['require', 'app.cts', source, { module: 'nodenext' }],
      ['a bundler', 'app.ts', source, { module: 'esnext', moduleResolution: 'bundler' }],
    ] as const)('hold for %s', (_, name, text, options) => {
      folder = installed();
      // Fastify and what its types need.
      for (const one of readdirSync(join(root, 'node_modules')))
        if (!existsSync(join(folder, 'node_modules', one)))
          symlinkSync(join(root, 'node_modules', one), join(folder, 'node_modules', one));
      expect(check(name, text, options)).toBe('');
    });
  });
});
