// SPDX-License-Identifier: Apache-2.0
// Script and style of a flame graph that stands alone, from the web build.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { StackwellError } from '../errors.js';
import type { HtmlPage } from '../profile/formats/html.js';

/** The same from src/server and from dist/server. */
const ROOT = new URL('../../build/web-standalone/', import.meta.url);

type Parts = Pick<HtmlPage, 'script' | 'style' | 'policy'>;
let parts: Parts | null = null;

/** Read once, with the first page that is asked for. @throws SW_NOT_FOUND when there is no build */
export function standaloneParts(): Parts {
  parts ??= readParts();
  return parts;
}

function readParts(): Parts {
  const read = (name: string) => {
    try {
      return readFileSync(new URL(name, ROOT), 'utf8');
    } catch (error) {
      throw new StackwellError('SW_NOT_FOUND', { path: 'format=html: the page is not built' }, error);
    }
  };
  const [script, style] = [read('main.js'), read('style.css')];
  const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  // The canvas is sized by the script, which is styling, too.
  return {
    script,
    style,
    policy: `default-src 'none'; script-src ${hash(script)}; style-src ${hash(style)}`,
  };
}
