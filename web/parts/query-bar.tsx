// SPDX-License-Identifier: Apache-2.0
// The query as text: what the pickers write, and what can be written by hand.
import { useEffect, useState } from 'preact/hooks';
import { formatQuery, parseQuery } from '../lib/query.js';
import { state, update } from '../state/page.js';

export function QueryBar() {
  const { query } = state.value;
  const [text, setText] = useState(query);
  const [problem, setProblem] = useState('');
  useEffect(() => {
    setText(query);
    setProblem('');
  }, [query]);
  const apply = () => {
    const trimmed = text.trim();
    const braced = trimmed === '' || trimmed.startsWith('{') ? trimmed : `{${trimmed}}`;
    const parsed = parseQuery(braced);
    if (!parsed.ok) {
      setProblem(
        `${parsed.reason}, at ${parsed.at + 1}: ${braced.slice(parsed.at, parsed.at + 12) || 'the end'}`,
      );
      return;
    }
    setProblem('');
    const tidy = formatQuery(parsed.matchers);
    setText(tidy);
    update({ query: tidy, span: '' });
  };
  return (
    <form
      class="query"
      onSubmit={event => {
        event.preventDefault();
        apply();
      }}
    >
      <input
        class="field mono"
        aria-label="Query"
        aria-invalid={problem !== ''}
        placeholder={'{service_name="checkout", thread_name=~"worker.*"}'}
        title="Matchers as in Prometheus: = != =~ !~; Enter applies"
        spellcheck={false}
        autocomplete="off"
        value={text}
        onInput={event => setText(event.currentTarget.value)}
        onBlur={() => text !== query && apply()}
      />
      {problem !== '' && (
        <div class="query-problem" role="alert">
          {problem}
        </div>
      )}
    </form>
  );
}
