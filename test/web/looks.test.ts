// SPDX-License-Identifier: Apache-2.0
// How frames look: kind, colour, and the part of a name that is shown.
import { describe, expect, it } from 'vitest';
import { KINDS, kindOf, looksOf, SHADES } from '../../web/flame/kind.js';
import { Labels, shortForms, shortName, TextMeasure } from '../../web/flame/label.js';
import { DARK, LIGHT } from '../../web/flame/palette.js';
import { layerColours } from '../../web/lib/colours.js';

describe('kind', () => {
  it.each([
    ['do_syscall_64', '', '[kernel.kallsyms]', '', 'kernel'],
    ['nf_hook_slow', '', '[nf_tables.ko]', '', 'kernel'],
    ['main.main', '/src/main.go', 'shop', '', 'go'],
    ['runtime.goexit', '/usr/local/go/src/runtime/asm_amd64.s', 'shop', '', 'go'],
    ['net/http.(*conn).serve', '', 'shop', '', 'go'],
    ['github.com/a/b-c.Map[...]', '', 'shop', '', 'go'],
    ['java.util.HashMap.get', '', '[jit]', '', 'jvm'],
    ['com.acme.Shop$Cart.<init>', 'Shop.java', '[jit]', '', 'jvm'],
    ['Lcom/acme/Shop;::checkout', '', '[jit]', '', 'jvm'],
    ['JavaThread::run()', 'javaThread.cpp', 'libjvm.so', '', 'jvm'],
    ['LazyCompile:*render /app/view.js:10', '', '[jit]', '', 'jit'],
    ['handler', '/srv/app.py', 'python3.11', '', 'script'],
    ['processTimers', 'node:internal/timers', '[jit]', '', 'script'],
    ['search::Index::query(int) const', '/src/index.cc', 'searchd', '', 'native'],
    ['__memmove_avx_unaligned_erms', 'memmove-vec.S', 'libc.so.6', '', 'native'],
    ['core::ptr::drop_in_place<T>', '', 'app', '', 'native'],
    ['main', '', 'app', '', 'native'],
    ['app+0x1f20', '', 'app', 'no_symbols', 'unresolved'],
    ['[kernel] 0xffffffff81000000', '', '[kernel.kallsyms]', 'unmapped', 'unresolved'],
    ['other', '', '', '', 'other'],
    ['total', '', '', '', 'other'],
    ['other', '/src/x.c', 'app', '', 'native'],
  ])('%s in %s%s is %s', (name, file, module, reason, kind) => {
    expect(kindOf(name, file, module, reason)).toBe(kind);
  });

  it('is told quickly for names made to be slow', () => {
    const nasty = [
      `${'a.'.repeat(30_000)}!`,
      `${'a/'.repeat(30_000)}(`,
      `f${'('.repeat(60_000)}`,
      `${'x<'.repeat(30_000)} `,
    ];
    const begin = performance.now();
    for (const name of nasty) {
      kindOf(name, '', '[jit]', '');
      kindOf(name, '', 'app', '');
      shortForms(name);
    }
    expect(performance.now() - begin).toBeLessThan(500);
  });
});

describe('colour', () => {
  it('has a colour for every kind and shade, in both themes', () => {
    for (const palette of [DARK, LIGHT]) {
      expect(palette.frame.length).toBe(KINDS.length * SHADES);
      expect(palette.faded.length).toBe(palette.frame.length);
      for (const colour of [...palette.frame, ...palette.faded])
        expect(colour).toMatch(/^oklch\(0\.\d+ 0(\.\d+)? \d+\.\d\)$/);
    }
  });

  it('keeps lightness far enough from the text to be read', () => {
    const lightness = (colour: string) => Number(/^oklch\((\S+)/.exec(colour)![1]);
    for (const colour of DARK.frame) expect(lightness(colour)).toBeLessThan(0.52);
    for (const colour of LIGHT.frame) expect(lightness(colour)).toBeGreaterThan(0.75);
  });

  it('is grey without a name, and the same for the same function', () => {
    const functions = {
      name: ['a', 'b', 'a'],
      file: ['', '', ''],
      module: ['m', 'm', 'm'],
      reason: ['', 'no_symbols', ''],
      buildId: ['', 'c0ffee00', ''],
    };
    const { kind, shade } = looksOf(functions);
    expect(DARK.frame[kind[1]! * SHADES + shade[1]!]).toMatch(/ 0 \d/);
    expect([kind[0], shade[0]]).toEqual([kind[2], shade[2]]);
    for (const s of shade) expect(s).toBeLessThan(SHADES);
  });

  it('stays with a layer when ranks change', () => {
    const names = ['checkout', 'search', 'inventory'];
    const colours = layerColours(names, true);
    expect(new Set(colours).size).toBe(3);
    expect(layerColours(['checkout'], true)[0]).toBe(colours[0]);
    expect(layerColours([null], true)[0]).toContain('0.01');
  });
});

describe('names', () => {
  it.each([
    [
      'search::Index::query(std::basic_string_view<char, std::char_traits<char> >, int) const',
      'search::Index::query',
    ],
    ['std::vector<int> ns::make<A, B<C> >(A, B<C>)', 'ns::make'],
    ['void (anonymous namespace)::run(int)', '(anonymous namespace)::run'],
    ['foo() [clone .cold]', 'foo'],
    ['Scorer::operator()(Posting const&) const', 'Scorer::operator()(Posting const&) const'],
    ['a::b::C<int>::operator<<(int)', 'C::operator<<(int)'],
    ['<alloc::vec::Vec<T> as core::ops::Drop>::drop', '<alloc::vec::Vec<T> as core::ops::Drop>::drop'],
    ['net/http.(*conn).serve', 'http.(*conn).serve'],
    ['pkg.(*T)', 'pkg.(*T)'],
    ['main.main', 'main.main'],
    ['com.acme.Shop.checkout(int)', 'com.acme.Shop.checkout'],
    ['libvendor.so.3+0x4f2a0', 'libvendor.so.3+0x4f2a0'],
    ['__x64_sys_futex', '__x64_sys_futex'],
  ])('%s is %s', (name, short) => {
    expect(shortName(name)).toBe(short);
  });

  it('get shorter step by step, the full one first', () => {
    const forms = shortForms('std::vector<int> ns::Deep::make<A, B<C> >(A, B<C>)');
    expect(forms[0]).toBe('std::vector<int> ns::Deep::make<A, B<C> >(A, B<C>)');
    expect(forms[forms.length - 1]).toBe('make');
    for (let i = 1; i < forms.length; i++) expect(forms[i]!.length).toBeLessThan(forms[i - 1]!.length);
    expect(shortForms('std::rt::lang_start::{closure#0}').at(-1)).toBe('lang_start::{closure#0}');
    expect(shortForms('ep_poll.part.0')).toEqual(['ep_poll.part.0']);
    expect(shortForms('java.util.concurrent.ThreadPoolExecutor.runWorker').at(-1)).toBe(
      'ThreadPoolExecutor.runWorker',
    );
  });

  it('fit their frames, and are left out where nothing readable fits', () => {
    let measured = 0;
    const measure = new TextMeasure(text => {
      measured++;
      return text.length * 7;
    });
    const labels = new Labels(['ns::Thing::method(int)', 'f'], measure);
    for (let width = 0; width < 200; width++) {
      const label = labels.fit(0, width);
      expect([...label].length * 7).toBeLessThanOrEqual(Math.max(width, 0));
    }
    expect(labels.fit(0, 200)).toBe('ns::Thing::method(int)');
    expect(labels.fit(0, 120)).toBe('ns::Thing::method');
    expect(labels.fit(0, 45)).toBe('method');
    expect(labels.fit(0, 36)).toBe('meth…');
    expect(labels.fit(0, 20)).toBe('');
    expect(labels.fit(1, 8)).toBe('f');
    // Each character once: measuring text is the slowest thing a canvas does.
    expect(measured).toBeLessThan(30);
  });
});
