// SPDX-License-Identifier: Apache-2.0
// What is generated and committed is what its source makes today.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

function files(folder: string): Record<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return Object.fromEntries(
    entries
      .filter(entry => entry.isFile())
      .map(entry => join(entry.parentPath, entry.name))
      .map(path => [relative(folder, path), readFileSync(path, 'utf8')]),
  );
}

it('is fresh: script/generate changes nothing', { timeout: 60_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'stackwell-generate-'));
  try {
    execFileSync(join(ROOT, 'script/generate'), [folder], { stdio: 'pipe' });
    const made = files(join(folder, 'src/server/gen'));
    expect(Object.keys(made).length).toBeGreaterThan(1);
    expect(files(join(ROOT, 'src/server/gen'))).toEqual(made);
    for (const page of ['docs/errors.md', 'docs/configuration.md', 'docs/metrics.md'])
      expect(readFileSync(join(ROOT, page), 'utf8'), page).toBe(readFileSync(join(folder, page), 'utf8'));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
