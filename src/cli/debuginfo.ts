// SPDX-License-Identifier: Apache-2.0
// stackwell debuginfo: names for what a server has stored already.
import { createHash } from 'node:crypto';
import { createReadStream, open } from 'node:fs';
import { stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Command } from 'commander';
import { StackwellError } from '../errors.js';
import type { DebugFile } from '../store/store.js';
import { inspect } from '../symbolizer/inspect.js';
import { ask } from './ask.js';
import { formatBytes, print, progressBar, say, sayError, table } from './output.js';

interface Flags {
  server: string;
  json?: boolean;
}

interface List {
  files: DebugFile[];
  bytes: number;
  maxBytes: number;
  maxFileBytes: number;
}

interface Added {
  result: 'stored' | 'present' | 'kept';
  file: DebugFile;
}

const SAID: Record<Added['result'], string> = {
  stored: 'stored',
  present: 'already there',
  kept: 'not stored: better information is there',
};

/** A server that checks a large file needs more than the usual time. */
const UPLOAD_MS = 600_000;

/** The file's build id. @throws SW_DEBUGINFO_INVALID, SW_SYMBOLIZER */
async function buildIdOf(path: string): Promise<string> {
  const invalid = (reason: string, cause?: unknown) =>
    new StackwellError('SW_DEBUGINFO_INVALID', { reason: `${path}: ${reason}` }, cause);
  let held: { descriptor: number; size: number };
  try {
    const found = await stat(path);
    // Anything else can keep whoever opens it waiting.
    if (!found.isFile()) throw new Error('it is not a file');
    held = { descriptor: await promisify(open)(path, 'r'), size: found.size };
  } catch (error) {
    throw invalid((error as Error).message, error);
  }
  const description = await inspect(held);
  if (description === 'not-elf') throw invalid('it is not an ELF file');
  if (description === null) throw invalid('it is damaged');
  if (description.buildId === '') throw invalid('it has no build ID');
  return description.buildId;
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

async function* withProgress(path: string, size: number): AsyncGenerator<Uint8Array> {
  const bar = progressBar(path);
  let sent = 0;
  try {
    for await (const chunk of createReadStream(path)) {
      sent += (chunk as Buffer).length;
      bar.update(sent / size, formatBytes(sent));
      yield chunk as Buffer;
    }
  } finally {
    bar.done();
  }
}

async function list(server: string, buildId?: string): Promise<List> {
  const parameters: Record<string, string> = buildId === undefined ? {} : { build_id: buildId };
  return JSON.parse((await ask(server, 'debuginfo', { parameters })).toString()) as List;
}

async function upload(path: string, server: string): Promise<Added> {
  const buildId = await buildIdOf(path);
  const { files, maxBytes, maxFileBytes } = await list(server, buildId);
  const { size } = await stat(path);
  const max = Math.min(maxBytes, maxFileBytes);
  if (size > max) throw new StackwellError('SW_DEBUGINFO_TOO_LARGE', { max });
  if (files.length > 0) {
    const sha256 = await sha256Of(path);
    const present = files.find(file => file.sha256 === sha256);
    if (present !== undefined) return { result: 'present', file: present };
  }
  const answer = await ask(server, `debuginfo/${buildId}`, {
    method: 'PUT',
    body: withProgress(path, size),
    timeoutMs: UPLOAD_MS,
  });
  return JSON.parse(answer.toString()) as Added;
}

export function addDebuginfo(program: Command): void {
  const debuginfo = program
    .command('debuginfo')
    .description('debug information that names what is stored already');

  const subcommand = (name: string, description: string) =>
    debuginfo
      .command(name)
      .description(description)
      .option('--server <url>', 'server to send to', 'http://127.0.0.1:4040')
      .option('--json', 'print the answer as JSON');

  subcommand('upload <file...>', 'send programs and libraries with symbols, or their debug files').action(
    async (paths: string[], flags: Flags) => {
      const answers: Added[] = [];
      let failed = false;
      for (const path of paths)
        try {
          const added = await upload(path, flags.server);
          answers.push(added);
          const { buildId, kind, role, size } = added.file;
          say(`${path}: ${SAID[added.result]} (${role}, ${kind}, ${formatBytes(size)}, build ID ${buildId})`);
        } catch (error) {
          // The others may be what is missing; the exit code tells.
          failed = true;
          say(`${path}:`);
          sayError(error);
        }
      if (flags.json === true) print(JSON.stringify(answers));
      if (failed) process.exitCode = 1;
    },
  );

  subcommand('list', 'what debug information the server has').action(async (flags: Flags) => {
    const { files, bytes, maxBytes, maxFileBytes } = await list(flags.server);
    if (flags.json === true) {
      print(JSON.stringify({ files, bytes, maxBytes, maxFileBytes }));
      return;
    }
    const day = (time: number) => new Date(time).toISOString().slice(0, 16).replace('T', ' ');
    const rows = files.map(file => [
      file.buildId,
      file.role,
      file.kind,
      formatBytes(file.size),
      file.origin,
      day(file.added),
      day(file.used),
    ]);
    print(table(['BUILD ID', 'ROLE', 'BEST', 'SIZE', 'FROM', 'ADDED', 'USED'], rows));
    say(`${files.length} files, ${formatBytes(bytes)} of ${formatBytes(maxBytes)}`);
  });

  subcommand('delete <buildId...>', 'delete the debug information of builds').action(
    async (buildIds: string[], flags: Flags) => {
      let deleted = 0;
      for (const buildId of buildIds) {
        const path = `debuginfo/${encodeURIComponent(buildId)}`;
        const answer = await ask(flags.server, path, { method: 'DELETE' });
        deleted += (JSON.parse(answer.toString()) as { deleted: number }).deleted;
      }
      if (flags.json === true) print(JSON.stringify({ deleted }));
      else say(`${deleted} files deleted`);
    },
  );
}
