// SPDX-License-Identifier: Apache-2.0
// Matchers as text: checked when they are applied, by Enter or by leaving the field.
import { useEffect, useState } from 'preact/hooks';
import { formatQuery, parseQuery } from '../lib/query.js';

export function QueryField(props: {
  query: string;
  label: string;
  placeholder: string;
  title: string;
  /** Of what is valid, in its tidy form. */
  onApply: (query: string) => void;
}) {
  const { query, label, placeholder, title, onApply } = props;
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
    onApply(tidy);
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
        aria-label={label}
        aria-invalid={problem !== ''}
        placeholder={placeholder}
        title={title}
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
