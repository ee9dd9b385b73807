// SPDX-License-Identifier: Apache-2.0
// The query as text: what the pickers write, and what can be written by hand.
import { state, update } from '../state/page.js';
import { QueryField } from './query-field.js';

export function QueryBar() {
  return (
    <QueryField
      query={state.value.query}
      label="Query"
      placeholder={'{service_name="checkout", thread_name=~"worker.*"}'}
      title="Matchers as in Prometheus: = != =~ !~; Enter applies"
      onApply={query => update({ query, span: '' })}
    />
  );
}
