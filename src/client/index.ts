// SPDX-License-Identifier: Apache-2.0
// `stackwell/client`: a Node.js service profiles itself and pushes to a Stackwell server (docs/node-client.md).
import { StackwellError } from '../errors.js';
import { Client, type Stats } from './client.js';
import { expressMiddleware as express, type Middleware } from './express.js';
import { type FastifyPlugin, fastifyPlugin as fastify } from './fastify.js';
import type { LabelSet } from './labels.js';
import { type ClientOptions, settingsOf } from './options.js';

export { StackwellError } from '../errors.js';
export type { Stats } from './client.js';
export type { Middleware } from './express.js';
export type { FastifyOptions, FastifyPlugin } from './fastify.js';
export type { LabelSet } from './labels.js';
export type { ClientOptions, Logger } from './options.js';

export interface StopOptions {
  /** Milliseconds that sending may take; 5,000. */
  timeoutMs?: number | undefined;
}

let client: Client | null = null;

/** With the environment's configuration where `init` was not called. */
function current(): Client {
  client ??= new Client(settingsOf({}, process.env, process.argv));
  return client;
}

/**
 * Checks the options; nothing is sampled before `start`.
 * @throws SW_CLIENT_OPTIONS, also while something is sampled already
 */
export function init(options: ClientOptions = {}): void {
  if (client?.isRunning === true)
    throw new StackwellError('SW_CLIENT_OPTIONS', { reason: 'profiling runs already; call stop() first' });
  client = new Client(settingsOf(options, process.env, process.argv));
}

/** Starts what the options say: CPU, wall and heap. What cannot be started is told in a warning and in `stats()`. */
export function start(): void {
  current().start();
}

export function startCpuProfiling(): void {
  current().start(['cpu']);
}

export function startWallProfiling(): void {
  current().start(['wall']);
}

export function startHeapProfiling(): void {
  current().start(['heap']);
}

/** Ends sampling and sends what is left, within a time limit. Never rejects. */
export async function stop({ timeoutMs }: StopOptions = {}): Promise<void> {
  await client?.stop(undefined, timeoutMs);
}

export async function stopCpuProfiling({ timeoutMs }: StopOptions = {}): Promise<void> {
  await client?.stop(['cpu'], timeoutMs);
}

export async function stopWallProfiling({ timeoutMs }: StopOptions = {}): Promise<void> {
  await client?.stop(['wall'], timeoutMs);
}

export async function stopHeapProfiling({ timeoutMs }: StopOptions = {}): Promise<void> {
  await client?.stop(['heap'], timeoutMs);
}

/** Runs `call` with labels on top of those that hold here; they follow its callbacks and promises. Returns what it does. */
export function wrapWithLabels<Args extends unknown[], T>(
  labels: LabelSet,
  call: (...args: Args) => T,
  ...args: Args
): T {
  return client === null ? call(...args) : client.run(labels, () => call(...args));
}

/** From here on, in this call and whatever it starts, these labels and no others. */
export function setLabels(labels: LabelSet): void {
  client?.setLabels(labels);
}

export function getLabels(): LabelSet {
  return { ...client?.labels() };
}

/** What was taken, sent and dropped since `init`. */
export function stats(): Stats {
  return current().stats();
}

/** `app.use(expressMiddleware())`: answers GET /debug/pprof/profile?seconds=10 and /debug/pprof/heap. */
export function expressMiddleware(): Middleware {
  return express(current);
}

/** `app.register(fastifyPlugin)`: labels every request's samples by `route` and `method`. */
export const fastifyPlugin: FastifyPlugin = fastify(() => client, current);

export default {
  init,
  start,
  startCpuProfiling,
  startWallProfiling,
  startHeapProfiling,
  stop,
  stopCpuProfiling,
  stopWallProfiling,
  stopHeapProfiling,
  wrapWithLabels,
  setLabels,
  getLabels,
  stats,
  expressMiddleware,
  fastifyPlugin,
  StackwellError,
};
