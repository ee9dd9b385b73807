// SPDX-License-Identifier: Apache-2.0
// Makes corpus/: small files of each kind that the symbolizer child reads, from the programs of other tests.
//
//   node test/symbols/fuzz/make-corpus.mjs
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const folder = fileURLToPath(new URL('.', import.meta.url));
const programs = join(folder, '../programs');
const scratch = mkdtempSync(join(tmpdir(), 'stackwell-corpus-'));
const at = name => join(scratch, name);
const run = (command, ...words) =>
  execFileSync(command, words, { stdio: ['ignore', 'pipe', 'inherit'] }).toString();

/** Start and size in the file of a section. */
function section(path, name) {
  const line = run('readelf', '-SW', path)
    .split('\n')
    .find(text => text.includes(` ${name} `));
  const [, offset, size] = /\S+\s+[0-9a-f]{16} ([0-9a-f]+) ([0-9a-f]+)/.exec(line);
  return [Number.parseInt(offset, 16), Number.parseInt(size, 16)];
}

const makers = {
  frames: () => run('gcc', '-O2', '-o', at('frames'), join(programs, 'aligned.c')),
  'debug-frame': () => {
    const flags = ['-g', '-O2', '-fno-asynchronous-unwind-tables', '-gz=zlib'];
    run('gcc', ...flags, '-o', at('debug-frame'), join(programs, 'aligned.c'));
  },
  linkage: () => {
    const flags = ['-O2', '-Wl,-z,lazy,-z,ibtplt', '-fcf-protection'];
    run('gcc', ...flags, '-o', at('linkage'), join(programs, 'aligned.c'));
  },
  musl: () =>
    run('musl-gcc', '-static', '-O2', '-o', at('musl'), join(folder, '../../replay/programs/sorted.c')),
  builtins: () => {
    const source = `.text
v8_Default_embedded_blob_code_:
.type Builtins_First,@function
Builtins_First: .skip 100000,0x90
.size Builtins_First,100000
.globl main
main: ret
.section .note.GNU-stack,"",@progbits
`;
    writeFileSync(at('builtins.s'), source);
    run('gcc', '-o', at('builtins'), at('builtins.s'));
  },
  dwarf: () =>
    run('g++', '-std=c++20', '-g', '-O2', '-Wl,--build-id', '-o', at('dwarf'), join(programs, 'inlines.cc')),
  zstd: () => run('objcopy', '--compress-debug-sections=zstd', at('dwarf'), at('zstd')),
  stripped: () => {
    run('objcopy', '--only-keep-debug', '--compress-debug-sections=zlib', at('dwarf'), at('detached'));
    run('objcopy', '--strip-all', at('dwarf'), at('stripped'));
    run('objcopy', `--add-gnu-debuglink=${at('detached')}`, at('stripped'));
  },
  detached: () => {},
  'mini-debug': () => {
    run(
      'objcopy',
      '-S',
      '--remove-section=.gdb_index',
      '--remove-section=.comment',
      '--keep-symbol=main',
      at('dwarf'),
      at('symbols'),
    );
    run('xz', '-k', at('symbols'));
    run('objcopy', `--add-section=.gnu_debugdata=${at('symbols')}.xz`, at('stripped'), at('mini-debug'));
  },
  bare: () => {
    const content = readFileSync(at('stripped'));
    content.writeBigUInt64LE(0n, 0x28);
    content.fill(0, 0x3c, 0x40);
    writeFileSync(at('bare'), content);
  },
  go: () => {
    const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false' };
    const cwd = join(folder, '../../replay/programs/go');
    execFileSync('go', ['build', '-ldflags=-s -w', '-o', at('go')], { cwd, env });
    // Most of its code is not looked at; without it the file is small in the tree.
    const content = readFileSync(at('go'));
    const [start, size] = section(at('go'), '.text');
    content.fill(0, start + 0x8000, start + size);
    writeFileSync(at('go'), content);
  },
  'perf-map': () => {
    const lines = Array.from({ length: 200 }, (_, i) => {
      const start = (0x7f3a_0000_0000 + ((i * 7919) % 200) * 0x140).toString(16);
      return `${i % 3 === 0 ? '0x' : ''}${start} ${(0x40 + (i % 5) * 0x40).toString(16)} LazyCompile:*turn${i} /srv/app/a b.js:${i}`;
    });
    writeFileSync(at('perf-map'), `${lines.join('\n')}\n`);
  },
};

try {
  mkdirSync(join(folder, 'corpus'), { recursive: true });
  for (const [name, make] of Object.entries(makers)) {
    make();
    writeFileSync(join(folder, 'corpus', `${name}.gz`), gzipSync(readFileSync(at(name)), { level: 9 }));
  }
  const jitted = at('jitted');
  const sources = join(folder, '../../programs');
  run('gcc', '-std=gnu17', '-O2', '-pthread', '-o', jitted, join(sources, 'jitted.c'));
  await new Promise(resolve => spawn(jitted, [scratch, '0.1']).on('exit', resolve));
  const dump = readdirSync(scratch).find(name => /^jit-\d+\.dump$/.test(name));
  writeFileSync(join(folder, 'corpus', 'jitdump.gz'), gzipSync(readFileSync(at(dump)), { level: 9 }));
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
