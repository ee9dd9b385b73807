// SPDX-License-Identifier: Apache-2.0
// Secrets and certificates from files, read anew each time: they are rotated while the agent runs.
import { readFile } from 'node:fs/promises';
import type { ScrapeJob } from '../../config/scrape.js';
import { StackwellError } from '../../errors.js';
import type { Trust } from './fetch.js';

const MAX_BYTES = 1024 * 1024;

/** @throws SW_SCRAPE_CREDENTIALS */
async function read(path: string): Promise<string> {
  try {
    const text = await readFile(path, 'utf8');
    if (text.length > MAX_BYTES) throw new Error(`over ${MAX_BYTES} bytes`);
    return text;
  } catch (error) {
    throw new StackwellError('SW_SCRAPE_CREDENTIALS', { path, reason: (error as Error).message }, error);
  }
}

/** One line that can be part of a header. @throws SW_SCRAPE_CREDENTIALS */
async function secret(path: string): Promise<string> {
  const text = (await read(path)).trim();
  if (!/^[\x20-\x7e]*$/.test(text))
    throw new StackwellError('SW_SCRAPE_CREDENTIALS', { path, reason: 'it is not one line of ASCII' });
  return text;
}

/** @throws SW_SCRAPE_CREDENTIALS */
export async function authorization(
  given: Pick<ScrapeJob, 'basicAuth' | 'bearerTokenFile'>,
): Promise<Record<string, string>> {
  const { basicAuth, bearerTokenFile } = given;
  if (bearerTokenFile !== '') return { authorization: `Bearer ${await secret(bearerTokenFile)}` };
  if (basicAuth.username === '') return {};
  const password = basicAuth.passwordFile === '' ? '' : await secret(basicAuth.passwordFile);
  const pair = Buffer.from(`${basicAuth.username}:${password}`).toString('base64');
  return { authorization: `Basic ${pair}` };
}

/** @throws SW_SCRAPE_CREDENTIALS */
export async function trust(given: {
  caFile: string;
  insecure: boolean;
  serverName?: string;
}): Promise<Trust> {
  const { caFile, insecure, serverName = '' } = given;
  return { ca: caFile === '' ? null : await read(caFile), insecure, serverName };
}
