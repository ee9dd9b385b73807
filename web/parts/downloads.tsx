// SPDX-License-Identifier: Apache-2.0
// Links, so that they can be copied; a click fetches, so that an error is told here and not saved as a file.
import { signal } from '@preact/signals';
import { ApiError, ask, DOWNLOADS } from '../lib/api.js';
import { selected } from '../state/page.js';
import { Problem } from './problem.js';

const problem = signal<ApiError | null>(null);
const busy = signal('');

async function save(path: string, fallback: string): Promise<void> {
  const response = await ask(path);
  const named = /filename="?([^";]+)"?/.exec(response.headers.get('content-disposition') ?? '')?.[1];
  const url = URL.createObjectURL(await response.blob());
  const link = document.createElement('a');
  link.href = url;
  link.download = named ?? fallback;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

export function Downloads() {
  const s = selected.value;
  return (
    <div class="downloads">
      <span class="caption">Download</span>
      {DOWNLOADS.map(({ name, title, path, file }) => (
        <a
          key={name}
          class={busy.value === name ? 'button busy' : 'button'}
          title={title}
          href={s === null ? '#' : path(s)}
          download={file}
          onClick={event => {
            event.preventDefault();
            if (s === null || busy.value !== '') return;
            busy.value = name;
            problem.value = null;
            save(path(s), file)
              .catch((error: unknown) => {
                problem.value =
                  error instanceof ApiError ? error : new ApiError('page', String(error), 'Try it again.', 0);
              })
              .finally(() => {
                busy.value = '';
              });
          }}
        >
          {name}
        </a>
      ))}
      {problem.value !== null && (
        <Problem
          error={problem.value}
          onClose={() => {
            problem.value = null;
          }}
        />
      )}
    </div>
  );
}
