// SPDX-License-Identifier: Apache-2.0
// A list to choose from, narrowed by typing, walked with the arrow keys.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

export interface Choice {
  key: string;
  name: string;
  /** Smaller, after the name. */
  detail?: string;
  /** Heading that this choice and those after it stand under. */
  group?: string;
  /** Part of the whole, 0…1, and how it is written. */
  share?: number;
  shareText?: string;
  chosen?: boolean;
}

interface Props {
  choices: Choice[];
  placeholder: string;
  onChoose: (choice: Choice) => void;
  loading: boolean;
  /** Shown when there is nothing at all, and after the list. */
  empty: ComponentChildren;
  foot?: ComponentChildren;
}

/** More than anyone scrolls through: the rest is reached by typing, and counted. */
const SHOWN = 300;

export function ChoiceList({ choices, placeholder, onChoose, loading, empty, foot }: Props) {
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const input = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => input.current?.focus(), []);
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = choices.filter(choice => {
    const hay = `${choice.name} ${choice.detail ?? ''} ${choice.key}`.toLowerCase();
    return words.every(word => hay.includes(word));
  });
  const shown = found.slice(0, SHOWN);
  const current = Math.min(at, shown.length - 1);
  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' });
  }, [current]);
  return (
    <>
      <input
        ref={input}
        class="field"
        type="search"
        aria-controls="choices"
        aria-activedescendant={shown[current] === undefined ? undefined : `choice-${current}`}
        placeholder={placeholder}
        aria-label={placeholder}
        spellcheck={false}
        autocomplete="off"
        value={text}
        onInput={event => {
          setText(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={event => {
          if (event.key === 'ArrowDown') setAt(Math.min(shown.length - 1, current + 1));
          else if (event.key === 'ArrowUp') setAt(Math.max(0, current - 1));
          else if (event.key === 'Enter' && shown[current] !== undefined) onChoose(shown[current]);
          else return;
          event.preventDefault();
        }}
      />
      <div class="choices" id="choices" role="listbox" ref={list}>
        {shown.map((choice, i) => (
          <>
            {choice.group !== undefined && choice.group !== shown[i - 1]?.group && (
              <div class="choices-group" role="presentation">
                {choice.group}
              </div>
            )}
            <div
              key={choice.key}
              id={`choice-${i}`}
              class={choice.chosen === true ? 'choice chosen' : 'choice'}
              role="option"
              tabIndex={-1}
              aria-selected={i === current}
              title={choice.detail === undefined ? choice.name : `${choice.name}  ${choice.detail}`}
              onClick={() => onChoose(choice)}
              onKeyDown={event => {
                if (event.key === 'Enter') onChoose(choice);
              }}
            >
              {choice.share !== undefined && (
                <span class="choice-bar" style={{ width: `${Math.min(100, choice.share * 100)}%` }} />
              )}
              <span class="choice-name">{choice.name}</span>
              {choice.detail !== undefined && <span class="choice-detail">{choice.detail}</span>}
              {choice.shareText !== undefined && <span class="choice-share">{choice.shareText}</span>}
            </div>
          </>
        ))}
        {shown.length === 0 && (
          <div class="choices-empty">
            {loading ? 'Loading…' : text !== '' ? `Nothing here matches “${text}”.` : empty}
          </div>
        )}
        {found.length > SHOWN && (
          <div class="choices-empty">{found.length - SHOWN} more: type to narrow the list.</div>
        )}
        {foot}
      </div>
    </>
  );
}
