// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { encode, Merger, matchingRules, type ProfileColumns } from '#native/profile';
import { asStackwellError } from '../../src/errors.js';
import { columnsOf } from './columns.js';

interface Frame {
  name: string;
  file?: string;
}

/** A profile in which each stack is one frame. */
async function pprof(frames: Frame[]): Promise<Uint8Array> {
  const columns: ProfileColumns = columnsOf(frames.map(({ name }) => ({ stack: [name], values: [1n] })));
  const file = (path: string) => columns.strings.push(path) - 1;
  for (const [row, at] of columns.functions.name.entries()) {
    const frame = frames.find(({ name }) => name === columns.strings[at]);
    columns.functions.filename[row] = frame?.file ? file(frame.file) : 0;
  }
  return encode(columns);
}

/** Names of the functions that a comparison of the two tells apart. */
async function functions(left: Frame[], right: Frame[], without: string[] = []): Promise<string[]> {
  const merger = new Merger({ sampleLabels: false });
  await merger.addPprof(await pprof(left), { side: 'left' });
  await merger.addPprof(await pprof(right), { side: 'right' });
  const { matrix } = await merger.diff({ functions: 100, matchingWithout: without });
  return matrix!.functions.name.map((name, row) => `${name} ${matrix!.functions.file[row]}`.trim()).sort();
}

const one = (name: string, file = '') => [{ name, file }];

describe('matching', () => {
  it.each([
    ['copy.constprop.0', 'copy', ''],
    ['copy.part.0.isra.3', 'copy', ''],
    ['copy [clone .isra.0] [clone .cold]', 'copy', ''],
    ['work.llvm.1234567', 'work', ''],
    ['run()::{lambda(int)#2}::operator()(int) const', 'run()::{lambda(int)#N}::operator()(int) const', ''],
    ['A::b()::$_3::operator()() const', 'A::b()::$_N::operator()() const', ''],
    ["f()::'lambda1'(int)::operator()(int) const", "f()::'lambda'(int)::operator()(int) const", ''],
    ['app::main::{closure#3}', 'app::main::{closure#N}', ''],
    ['main.serve.func2.1', 'main.serve.funcN', 'main.go'],
    ['main.serve.gowrap3', 'main.serve.gowrapN', 'main.go'],
    ['core::fmt::write::h0123456789abcdef', 'core::fmt::write', ''],
    ['App.lambda$main$3', 'App.lambda$main$N', 'App.java'],
    ['App$$Lambda$14/0x0000000800c03000.run', 'App$$Lambda.run', ''],
    ['App$$Lambda/0x00007f1234.run', 'App$$Lambda.run', ''],
    ['java.lang.invoke.LambdaForm$MH/0x0000000800c04400.invoke', 'java.lang.invoke.LambdaForm$MH.invoke', ''],
    [
      'jdk.internal.reflect.GeneratedMethodAccessor17.invoke',
      'jdk.internal.reflect.GeneratedMethodAccessorN.invoke',
      '',
    ],
    ['com.sun.proxy.$Proxy12.call', 'com.sun.proxy.$ProxyN.call', ''],
  ])('%s is %s', async (name, becomes, file) => {
    expect(await functions(one(name, file), [])).toEqual([`${becomes} ${file}`.trim()]);
  });

  it.each([
    ['Service.func1', 'Service.java'],
    ['std::vector<int, std::allocator<int>>::push_back(int const&)', ''],
    ['operator<<(std::ostream&, int)', 'a.cc'],
    ['http.(*conn).serve', 'server.go'],
    ['main.funcs', 'main.go'],
    ['core::hash::hash', ''],
    ['icu_63::Locale', ''],
    ['partition.party', ''],
    ['a.coldstart', ''],
  ])('%s stays', async (name, file) => {
    expect(await functions(one(name, file), [])).toEqual([`${name} ${file}`.trim()]);
  });

  it('makes one of what two builds call differently', async () => {
    expect(await functions(one('f.constprop.0', '/build/1/a.cc'), one('f', '/build/2/a.cc'))).toEqual([
      'f a.cc',
    ]);
  });

  it('does what its rules say, and each can be turned off', async () => {
    for (const { id, example, becomes } of matchingRules()) {
      if (id === 'unnamed') continue;
      const given = id === 'files' ? one('f', example) : one(example, id === 'closures' ? 'main.go' : '');
      const shown = (text: string) =>
        id === 'files' ? `f ${text}` : id === 'closures' ? `${text} main.go` : text;
      expect(await functions(given, [])).toEqual([shown(becomes)]);
      expect(await functions(given, [], [id])).toEqual([shown(example)]);
    }
  });

  it('is off unless it is asked for', async () => {
    const merger = new Merger({ sampleLabels: false });
    await merger.addPprof(await pprof(one('f.constprop.0')));
    const { functions: exact } = await merger.diff();
    expect(exact.name).toContain('f.constprop.0');
  });

  it('refuses a rule that there is not', async () => {
    const failed = await new Merger().diff({ matchingWithout: ['guesses'] }).catch(asStackwellError);
    expect(failed).toMatchObject({ code: 'SW_QUERY_INVALID' });
  });
});
