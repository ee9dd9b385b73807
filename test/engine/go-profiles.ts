// SPDX-License-Identifier: Apache-2.0
// Real profiles of Go's own profiler, from the program in workload/.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface GoProfiles {
  cpu: Buffer;
  heap: Buffer;
}

let made: GoProfiles | undefined;

/** Builds and runs the program, once for each test file. */
export function goProfiles(): GoProfiles {
  if (made === undefined) {
    const folder = mkdtempSync(join(tmpdir(), 'stackwell-engine-'));
    try {
      const program = join(folder, 'workload');
      const source = fileURLToPath(new URL('workload', import.meta.url));
      execFileSync('go', ['build', '-o', program, '.'], {
        cwd: source,
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      execFileSync(program, [join(folder, 'cpu'), join(folder, 'heap')], {
        stdio: ['ignore', 'ignore', 'ignore'],
      });
      made = { cpu: readFileSync(join(folder, 'cpu')), heap: readFileSync(join(folder, 'heap')) };
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
  return made;
}
