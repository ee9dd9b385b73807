// SPDX-License-Identifier: Apache-2.0
// Why a stack is not whole, why a frame has no name: for people who see the word for the first time.
import type { Reason, StackEnd } from './types.js';

const END_TEXT: Record<StackEnd, string> = {
  root: 'the whole stack is there, down to the function in which the thread began',
  no_user: 'a kernel thread: it has no part outside of the kernel, and is whole without one',
  depth: 'the stack is deeper than what is kept: its outermost callers are missing',
  no_table:
    'a program file does not say how to find the callers of its functions, or was seen for the first time',
  unsupported:
    'a program file says how to find the caller in terms that cannot be followed inside the kernel',
  unreadable: 'the memory in which the next caller stands could not be read when the sample was taken',
  unmapped: 'what stands where the caller should be is no code: the stack was overwritten or misread there',
  jit: 'code made at run time, by a runtime that is not known here and that keeps no frame pointers',
  runtime: 'the structures in which a language runtime keeps its frames could not be followed',
  not_taken: 'no stack could be taken at all',
};

const REASON_TEXT: Record<Reason, string> = {
  no_symbols: 'the file has no symbols for this address; its debug information is not installed',
  unmapped: 'the address lies in no known mapping of the process',
  unwind_failed: 'the stack could not be followed past this frame',
  jit_unknown: 'code made at run time that its runtime gave no name for',
  process_gone: 'the process ended before its mappings could be read',
  file_gone: 'the file was deleted or replaced while it was mapped',
  file_damaged: 'the file could not be read as a program',
  file_too_large: 'the file is larger than the symbolizer accepts',
  symbolizer_busy: 'the symbolizer did not answer in time',
};

/** `no_symbols` as a word in a line of text. */
export function causeName(cause: string): string {
  return cause.replace(/_/g, ' ');
}

// What another writer calls a cause is shown as it came.
export function endText(end: string): string {
  return Object.hasOwn(END_TEXT, end) ? END_TEXT[end as StackEnd] : causeName(end);
}

export function reasonText(reason: string): string {
  return Object.hasOwn(REASON_TEXT, reason) ? REASON_TEXT[reason as Reason] : causeName(reason);
}
