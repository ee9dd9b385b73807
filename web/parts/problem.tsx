// SPDX-License-Identifier: Apache-2.0
import type { ApiError } from '../lib/api.js';

/** What went wrong and what to do about it, with the code that documentation and logs use. */
export function Problem({ error, onClose }: { error: ApiError; onClose?: () => void }) {
  return (
    <div class="problem" role="alert">
      <p>
        <strong>{error.message}</strong> <code>{error.code}</code>
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
