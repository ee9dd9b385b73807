// SPDX-License-Identifier: Apache-2.0
import type { ApiError } from '../lib/api.js';
import { flame } from '../state/page.js';

/** What went wrong and what to do about it, with the code that documentation and logs use. Nothing for no error. */
export function Problem({ error, onClose }: { error: ApiError | null; onClose?: () => void }) {
  if (error === null) return null;
  return (
    <div class="problem" role="alert">
      <p>
        <strong>{error.message.charAt(0).toUpperCase() + error.message.slice(1)}</strong>{' '}
        <code>{error.code}</code>
      </p>
      <p>{error.fix}</p>
      {onClose !== undefined && (
        <button type="button" class="button clear" aria-label="Close" onClick={onClose}>
          ×
        </button>
      )}
    </div>
  );
}

/** An error of another part, unless it is the one that stands above the flame graph already. */
export function apart(error: ApiError | null): ApiError | null {
  const main = flame.error.value;
  return error !== null && error.code === main?.code && error.message === main.message ? null : error;
}
