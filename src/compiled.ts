// SPDX-License-Identifier: Apache-2.0

/** What a thread runs, where TypeScript sources (tests) start it: threads take JavaScript only on Node.js 20. */
export function compiled({ href }: URL): URL {
  if (!href.includes('/src/')) return new URL(href);
  const at = href.lastIndexOf('/src/');
  return new URL(href.slice(0, at) + href.slice(at).replace('/src/', '/dist/').replace(/\.ts$/, '.js'));
}
