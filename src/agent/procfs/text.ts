// SPDX-License-Identifier: Apache-2.0

/**
 * A name that a process chose for itself, fit for a label: control and formatting characters (which could rewrite a
 * terminal or hide a look-alike), lone surrogates and line separators are dropped, and the length is bounded.
 */
export function cleanName(text: string, maxLength = 256): string {
  // Most names are plain ASCII, and a test for that is cheaper than the replacement.
  const plain = /^[ -~]*$/.test(text) ? text : text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '');
  if (plain.length <= maxLength) return plain;
  // Not between the halves of a surrogate pair.
  const cut = plain.slice(0, maxLength);
  return /[\ud800-\udbff]$/.test(cut) ? cut.slice(0, -1) : cut;
}

/** Last part of a path, without the suffix that the kernel adds when the file is gone. */
export function baseName(path: string): string {
  const living = path.endsWith(' (deleted)') ? path.slice(0, -10) : path;
  return living.slice(living.lastIndexOf('/') + 1);
}
