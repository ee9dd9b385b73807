// SPDX-License-Identifier: Apache-2.0
import { fileURLToPath } from 'node:url';
import type { Profiler, Watch } from '#native/bpf';
import type { Delta, encode, Merger } from '#native/profile';
import { StackwellError } from '../errors.js';

/** Compiled BPF programs, beside the compiled code. */
export const BPF_OBJECTS = fileURLToPath(new URL('../../build/bpf', import.meta.url));

/** The native parts that an agent needs. Throws SW_NATIVE_MISSING and not a module loader's message. */
export async function loadNative(): Promise<{
  Profiler: typeof Profiler;
  Watch: typeof Watch;
  encode: typeof encode;
  Merger: typeof Merger;
  Delta: typeof Delta;
}> {
  const load = async <T>(name: string, module: Promise<T>): Promise<T> =>
    module.catch((error: Error) => {
      throw new StackwellError('SW_NATIVE_MISSING', { name, reason: error.message.split('\n')[0] }, error);
    });
  const [bpf, profile] = await Promise.all([
    load('native/bpf', import('#native/bpf')),
    load('native/profile', import('#native/profile')),
  ]);
  return {
    Profiler: bpf.Profiler,
    Watch: bpf.Watch,
    encode: profile.encode,
    Merger: profile.Merger,
    Delta: profile.Delta,
  };
}
