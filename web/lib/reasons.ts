// SPDX-License-Identifier: Apache-2.0
// Why a frame has no name, and why a sample was lost, in words.
import type { Reason } from '../../src/profile/types.js';

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

/** A reason of another writer is shown as it came. */
export function reasonText(reason: string): string {
  return REASON_TEXT[reason as Reason] ?? reason.replace(/_/g, ' ');
}

/** `no_symbols` as a word in a line of text. */
export function reasonName(reason: string): string {
  return reason.replace(/_/g, ' ');
}
