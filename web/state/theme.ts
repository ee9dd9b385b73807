// SPDX-License-Identifier: Apache-2.0
// Dark or light, as the system has it. Style sheets ask for themselves; canvases ask here.
import { signal } from '@preact/signals';

const query = matchMedia('(prefers-color-scheme: dark)');
export const dark = signal(query.matches);
query.addEventListener('change', () => {
  dark.value = query.matches;
});
