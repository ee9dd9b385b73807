// SPDX-License-Identifier: Apache-2.0
// One question whose newest answer is on the screen: a new question aborts the one before, an old answer stays until
// the new one is there, and an error does not wipe what is shown.
import { batch, signal } from '@preact/signals';
import { ApiError } from '../lib/api.js';

export class Resource<T> {
  readonly data = signal<T | null>(null);
  readonly error = signal<ApiError | null>(null);
  readonly loading = signal(false);
  private controller: AbortController | null = null;

  load(question: (signal: AbortSignal) => Promise<T>): void {
    this.controller?.abort();
    const controller = new AbortController();
    this.controller = controller;
    this.loading.value = true;
    question(controller.signal).then(
      answer => {
        if (this.controller !== controller) return;
        batch(() => {
          this.data.value = answer;
          this.error.value = null;
          this.loading.value = false;
        });
      },
      (thrown: unknown) => {
        if (this.controller !== controller) return;
        batch(() => {
          this.error.value =
            thrown instanceof ApiError
              ? thrown
              : new ApiError(
                  'page',
                  String(thrown),
                  'Reload the page; if it stays, report it with the address.',
                  0,
                );
          this.loading.value = false;
        });
      },
    );
  }

  clear(): void {
    this.controller?.abort();
    this.controller = null;
    batch(() => {
      this.data.value = null;
      this.error.value = null;
      this.loading.value = false;
    });
  }
}
