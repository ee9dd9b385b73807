// SPDX-License-Identifier: Apache-2.0
import { setFlagsFromString } from 'node:v8';

/**
 * V8 compiles a function again, with its optimizing compiler, after bytecode of this size has run (66 kB unless it is
 * told otherwise). What an agent does a few times a minute does not earn that back: in its first minutes the compiler
 * was a third of its CPU. What a busy host makes hot still gets there.
 */
const INTERRUPT_BUDGET = 1_500_000;

/** For processes that do little and should cost little. A V8 that does not know the flag goes on as before. */
export function optimizeRarely(): void {
  setFlagsFromString(`--interrupt-budget=${INTERRUPT_BUDGET}`);
}
