// SPDX-License-Identifier: Apache-2.0
// Programs that load `stackwell/client`, and what the server has of them afterwards.
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { type Decoded, decodePprof, type Sample } from '../helpers/pprof.js';
import { type Running as Child, root, start } from '../helpers/stackwell.js';
import type { Running } from '../server/fixtures.js';

export const programs = path.join(root, 'test/client/programs');
/** Another Node.js than the one that runs the tests can be tried with it. */
export const node = process.env.STACKWELL_CLIENT_NODE ?? process.execPath;

export const CPU = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';
export const WALL = 'wall:wall:nanoseconds:wall:nanoseconds';
export const INUSE = 'memory:inuse_space:bytes:inuse_space:bytes';

/** A program of the folder, killed when the test ends. Its environment has nothing that names services. */
export function program(name: string, ...args: string[]): Child {
  const { OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, ...env } = process.env;
  const child = start(node, [path.join(programs, name), ...args], { env });
  onTestFinished(async () => {
    await child.stop('SIGKILL');
  });
  return child;
}

/** The last line that it printed, after it ended well. */
// biome-ignore lint/suspicious/noExplicitAny: programs print whatever their test wants to know
export async function printed(child: Child): Promise<any> {
  const { code, stdout, stderr } = await child.finished;
  if (code !== 0) throw new Error(`it ended with ${code}: ${stderr}`);
  return JSON.parse(stdout.trim().split('\n').at(-1)!);
}

/** What is stored, with labels of samples, read by a decoder that is not ours. */
export async function stored(server: Running, type: string, query: string): Promise<Decoded> {
  const answer = await server.get('/api/v1/pprof', { type, query, sample_labels: 'true' });
  if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`);
  return decodePprof(new Uint8Array(await answer.arrayBuffer()));
}

/** Sum of the first column over the samples that pass. */
export function sumOf(profile: Decoded, passes: (sample: Sample) => boolean = () => true): number {
  return profile.samples.reduce((sum, sample) => sum + (passes(sample) ? sample.values[0]! : 0), 0);
}

export const has =
  (name: string) =>
  (sample: Sample): boolean =>
    sample.frames.some(frame => frame.name === name);

/** The types that a service has. */
export async function typesOf(server: Running, query: string): Promise<string[]> {
  const { types } = await server.json('/api/v1/types', { query });
  return types.map(({ id }: { id: string }) => id).sort();
}
