// SPDX-License-Identifier: Apache-2.0
// The native sampler is loaded when profiling starts and not before: a service that only imports this library pays for
// a few kilobytes of JavaScript.
import { createRequire } from 'node:module';

const load = createRequire(import.meta.url);

export type Pprof = typeof import('@datadog/pprof');
export type Profile = ReturnType<Pprof['time']['stop']>;
export type Sample = Profile['sample'][number];
export type ValueType = Profile['sampleType'][number];
/** Of pprof-format, as @datadog/pprof has it: its other copy, for import, makes objects of other classes. */
interface Format {
  Profile: new (fields: Partial<Profile>) => Profile;
  Sample: new (fields: Partial<Sample>) => Sample;
  ValueType: new (fields: Partial<ValueType>) => ValueType;
}

/** @throws whatever the loader says where there is no binary for this platform */
export const loadPprof = (): Pprof => load('@datadog/pprof');
/** Of Node.js itself, when they are needed: together they take as long to load as all of this library does. */
export const loadHttp = (secure: boolean): typeof import('node:http') | typeof import('node:https') =>
  load(secure ? 'node:https' : 'node:http');
export const loadZlib = (): typeof import('node:zlib') => load('node:zlib');
export const loadFormat = (): Format => load('pprof-format');

/** Whether V8 carries AsyncLocalStorage's values itself: the sampler can read them then. */
export function hasAsyncContextFrame(): boolean {
  if (process.platform === 'win32') return false;
  try {
    // Asks the addon what is in V8's slot: versions and flags say it less reliably. Not part of the package's public
    // face; without it hooks are used, which work everywhere.
    return load('@datadog/pprof/out/src/async-context-frame.js').isAsyncContextFrameActive() === true;
  } catch {
    return false;
  }
}

/** A package as the application sees it; null when it has none. */
export function loadOfApplication<T>(name: string, script: string | undefined): T | null {
  for (const from of [script ?? '', `${process.cwd()}/`]) {
    try {
      if (from !== '') return createRequire(from)(name) as T;
    } catch {
      // Not from there.
    }
  }
  return null;
}
