// SPDX-License-Identifier: Apache-2.0
// Java: classes that come and go, so that what a sample saw is often gone, or something else by then, when it is named.
// Every name carries its class's number, and a stack is right only if all of it fits together.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Frame } from '../helpers/pprof.js';
import { recordCpu } from '../helpers/record.js';
import { startHere } from '../helpers/stackwell.js';
import { javaHome } from '../matrix/java.js';
import { sourcePath } from '../programs/build.js';

/** Lines that the templates' methods are moved down by. */
const MOVED = [0, 100];
const lines = readFileSync(sourcePath('java/Gen000000.java'), 'utf8').split('\n');
const linesOf = (method: string): number[] =>
  lines.flatMap((line, index) => (line.endsWith(`// of ${method}`) ? [index + 1] : []));
const LINES: Record<string, number[]> = {
  applyAsInt: [9],
  a: linesOf('a'),
  b: linesOf('b'),
  c: linesOf('c'),
};
/** Whom a method calls. */
const CALLS: Record<string, string> = { applyAsInt: 'a', a: 'b', b: 'c', c: '' };

let folder: string;
const templates = MOVED.map(by => `moved-${by}`);

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'stackwell-java-'));
  const javac = (to: string, from: string) =>
    execFileSync('javac', ['--release', '8', '-Xlint:-options', '-d', to, from], { stdio: 'pipe' });
  const source = path.join(folder, 'Gen000000.java');
  for (const [i, by] of MOVED.entries()) {
    const to = path.join(folder, templates[i]!);
    mkdirSync(to);
    writeFileSync(source, '\n'.repeat(by) + lines.join('\n'));
    javac(to, source);
  }
  javac(folder, sourcePath('java/Reloads.java'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MADE = /^Gen(\d+)\.(applyAsInt|a|b|c)(\d*)$/;

/** What a frame says that cannot be: '' if nothing. */
function contradiction({ name, file, line }: Frame): string {
  const [, owner, method, own] = MADE.exec(name) ?? [];
  if (owner === undefined || method === undefined) return '';
  if (own !== (method === 'applyAsInt' ? '' : owner)) return `method ${own} of class ${owner}`;
  if (file !== `Gen${owner}.java`) return `class ${owner} in ${file}`;
  // 0: not known, as behind the last call in compiled code.
  const moved = MOVED[Number(owner) % MOVED.length]!;
  return line === 0 || LINES[method]!.includes(line - moved) ? '' : `line ${line} in ${name}`;
}

/** Which frames, leaf first, do not fit together: '' if all do. */
function misfit(frames: Frame[]): string {
  let number = '';
  /** Of the frame before, which the next one must have called; '' if it has no name. */
  let callee = '';
  for (const { name } of frames) {
    const [, owner, method] = MADE.exec(name) ?? [];
    if (owner === undefined || method === undefined) {
      if (callee !== '' && callee !== 'applyAsInt' && name !== '') return `${name} called ${callee}`;
      callee = '';
      continue;
    }
    if (number !== '' && owner !== number) return `class ${owner} in a stack of ${number}`;
    number = owner;
    if (callee !== '' && callee !== CALLS[method]) return `${method} called ${callee}`;
    callee = method;
  }
  return '';
}

const MODES: [string, string[]][] = [
  ['interpreted', ['-Xint']],
  ['compiled', ['-XX:CompileThresholdScaling=0.05', '-XX:ReservedCodeCacheSize=4m']],
];

for (const version of ['distribution', '25.0.2.1'])
  test.each(MODES)(`no wrong name among classes that come and go: Java ${version}, %s`, async (_, flags) => {
    const java = startHere(
      path.join(javaHome(version), 'bin/java'),
      [
        ...['-Xmx64m', '-XX:+UseSerialGC', '-XX:MaxMetaspaceSize=32m', ...flags],
        ...['-cp', folder, 'Reloads', ...templates, '60'],
      ],
      { cwd: folder },
    );
    const { profile } = await recordCpu(java.pid!, 4, 997);
    expect(java.stderr).toBe('');
    const samples = { named: 0, unnamed: 0 };
    const classes = new Set<string>();
    const wrong: string[] = [];
    const broken: string[] = [];
    for (const { frames, values } of profile.samples) {
      if (!frames.some(frame => frame.name === 'Reloads.run')) continue;
      wrong.push(...frames.map(contradiction).filter(found => found !== ''));
      const misfits = misfit(frames);
      if (misfits !== '') broken.push(`${misfits}: ${frames.map(frame => frame.name).join(' < ')}`);
      const owner = frames.map(frame => /^Gen\d+/.exec(frame.name)?.[0]).find(name => name !== undefined);
      if (owner !== undefined) classes.add(owner);
      samples[owner === undefined ? 'unnamed' : 'named'] += values[0]! / profile.period;
    }
    expect(wrong).toEqual([]);
    expect(samples.named + samples.unnamed).toBeGreaterThan(1000);
    // A stub that was interrupted while it takes a frame of compiled code apart can be followed to another frame.
    const most = flags.includes('-Xint') ? 0 : 0.002 * (samples.named + samples.unnamed);
    expect(broken.length, broken.join('\n')).toBeLessThanOrEqual(most);
    expect(samples.named).toBeGreaterThan(0.2 * samples.unnamed);
    expect(classes.size).toBeGreaterThan(30);
    // What has gone, and is not mistaken for what came.
    expect(Number(profile.comments['unresolved.jit_unknown'])).toBeGreaterThan(100);
  });
