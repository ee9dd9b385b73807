// SPDX-License-Identifier: Apache-2.0
// Search, and how the profile is shown.
import { useComputed } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { formatShare } from '../../src/profile/units.js';
import { matchedTotal } from '../flame/search.js';
import { formatCount } from '../lib/format.js';
import { state, update } from '../state/address.js';
import { type FlameModel, search } from '../state/flame-model.js';
import type { PageState } from '../state/url.js';
import { shown } from './flame-pane.js';

function matched(model: FlameModel) {
  const data = model.drawn.value;
  const found = model.matches.value;
  if (data === null || found === null) return null;
  const { root } = model.view.value;
  return {
    frames: found.frames,
    ofAll: formatShare(matchedTotal(data.graph, found), data.graph.total[0]!),
    ofRoot: root > 0 ? formatShare(matchedTotal(data.graph, found, root), data.graph.total[root]!) : null,
  };
}

export function Segments<K extends 'view' | 'layout' | 'rank' | 'graph' | 'sides' | 'amounts'>(props: {
  of: K;
  label: string;
  choices: { value: PageState[K]; name: string; title: string }[];
  choose?: (value: PageState[K]) => void;
}) {
  const choose = props.choose ?? (value => update({ [props.of]: value } as Partial<PageState>));
  return (
    <fieldset class="segments" aria-label={props.label}>
      {props.choices.map(choice => (
        <button
          key={choice.value}
          type="button"
          title={choice.title}
          aria-pressed={state.value[props.of] === choice.value}
          onClick={() => choose(choice.value)}
        >
          {choice.name}
        </button>
      ))}
    </fieldset>
  );
}

/** @param children more choices, before those of how the graph stands */
export function Toolbar({ model, children }: { model: FlameModel; children?: ComponentChildren }) {
  const { find, regex, zoom, span } = state.value;
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const slash = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (
        event.key !== '/' ||
        event.ctrlKey ||
        event.metaKey ||
        target.closest('input, select, textarea') !== null
      )
        return;
      event.preventDefault();
      input.current?.select();
    };
    document.addEventListener('keydown', slash);
    return () => document.removeEventListener('keydown', slash);
  }, []);
  const pattern = search.value;
  const share = useComputed(() => matched(model)).value;
  return (
    <div class="toolbar">
      <div class="search">
        <input
          ref={input}
          class="field"
          type="search"
          placeholder="Search functions and modules  ( / )"
          aria-label="Search functions and modules"
          aria-invalid={pattern !== null && !pattern.ok}
          title={
            pattern !== null && !pattern.ok ? pattern.reason : 'Enter: next match, Shift+Enter: previous'
          }
          spellcheck={false}
          autocomplete="off"
          value={find}
          onInput={event => update({ find: event.currentTarget.value }, 'replace')}
          onKeyDown={event => {
            if (event.key === 'Enter') shown.canvas?.jump(event.shiftKey ? -1 : 1);
            else if (event.key === 'Escape') update({ find: '' }, 'replace');
          }}
        />
        <button
          type="button"
          class="button mono"
          title="Regular expression"
          aria-label="Regular expression"
          aria-pressed={regex}
          onClick={() => update({ regex: !regex }, 'replace')}
        >
          .*
        </button>
        <output class="matched" aria-live="polite">
          {pattern !== null && !pattern.ok && <span class="bad">{pattern.reason}</span>}
          {share !== null && (
            <>
              <span class="match-share">{share.ofAll}</span> of all
              {share.ofRoot !== null && (
                <>
                  , <span class="match-share">{share.ofRoot}</span> of zoomed
                </>
              )}
              <span class="faint"> in {formatCount(share.frames)} frames</span>
            </>
          )}
        </output>
      </div>
      <button
        type="button"
        class="button"
        title="Show everything (Esc)"
        disabled={zoom === '' && span === ''}
        onClick={() => model.reset()}
      >
        Reset zoom
      </button>
      {children}
      <Segments
        of="layout"
        label="Direction"
        choices={[
          { value: 'icicle', name: 'Icicle', title: 'Callers above, callees below' },
          { value: 'flame', name: 'Flame', title: 'Callers below, callees above' },
        ]}
      />
      <Segments
        of="view"
        label="View"
        choices={[
          { value: 'flame', name: 'Graph', title: 'Flame graph alone' },
          { value: 'both', name: 'Both', title: 'Flame graph and table' },
          { value: 'table', name: 'Table', title: 'Table alone' },
        ]}
      />
    </div>
  );
}
