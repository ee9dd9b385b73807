// SPDX-License-Identifier: Apache-2.0
import { effect, signal } from '@preact/signals';
import { Coverage } from './parts/coverage.js';
import { Downloads } from './parts/downloads.js';
import { Empty } from './parts/empty.js';
import { FlameView } from './parts/flame-view.js';
import { Problem } from './parts/problem.js';
import { QueryBar } from './parts/query-bar.js';
import { ScopePicker } from './parts/scope-picker.js';
import { TimePicker } from './parts/time-picker.js';
import { Timeline } from './parts/timeline.js';
import { Toolbar } from './parts/toolbar.js';
import { TopTable } from './parts/top-table.js';
import { TypePicker } from './parts/type-picker.js';
import { openCompare, openProfile } from './state/compare-to.js';
import { empty, flame, picture, range, state } from './state/page.js';

function Main() {
  const data = flame.data.value;
  const error = flame.error.value;
  const { view } = state.value;
  const nothing = range.value === null || empty.value;
  return (
    <main class={error !== null ? 'stale' : ''}>
      <Problem error={error} />
      {nothing && error === null && <Empty />}
      {data === null && !nothing && error === null && <div class="empty faint">Loading…</div>}
      {data !== null && !nothing && (
        <>
          <Toolbar model={picture} />
          <Coverage />
          <div class={`profile view-${view}`}>
            {view !== 'table' && <FlameView />}
            {view !== 'flame' && <TopTable />}
          </div>
        </>
      )}
    </main>
  );
}

/** The second mode, once it has been opened. */
const second = signal<typeof import('./compare/compare.js') | 'failed' | null>(null);
effect(() => {
  if (state.value.mode !== 'compare' || second.peek() !== null) return;
  import('./compare/compare.js').then(
    module => {
      second.value = module;
    },
    () => {
      second.value = 'failed';
    },
  );
});

function Modes() {
  const { mode } = state.value;
  return (
    <fieldset class="segments modes" aria-label="Mode">
      <button
        type="button"
        title="One profile"
        aria-pressed={mode === 'profile'}
        onClick={() => mode !== 'profile' && openProfile()}
      >
        Profile
      </button>
      <button
        type="button"
        title="What changed between two deploys, or two selections"
        aria-pressed={mode === 'compare'}
        onClick={() => mode !== 'compare' && openCompare()}
      >
        Compare
      </button>
    </fieldset>
  );
}

/** In the second mode, what stands at a place of the page; the first mode's otherwise. */
function Second({ part }: { part: 'Compare' | 'CompareTime' | 'Picking' }) {
  const module = second.value;
  if (module === 'failed')
    return part === 'Compare' ? (
      <main>
        <div class="empty">
          <h2>This part of the page could not be loaded</h2>
          <button type="button" class="button primary" onClick={() => location.reload()}>
            Load the page again
          </button>
        </div>
      </main>
    ) : null;
  if (module === null) return null;
  const Part = module[part];
  return <Part />;
}

export function App() {
  const comparing = state.value.mode === 'compare';
  return (
    <>
      <header>
        <div class="bar">
          <a class="brand" href={location.pathname}>
            <svg viewBox="0 0 16 16" aria-hidden="true">
              <path class="b1" d="M1 2h14v3H1z" />
              <path class="b2" d="M1 6.5h9v3H1z" />
              <path class="b3" d="M3 11h4v3H3z" />
            </svg>
            Stackwell
          </a>
          <Modes />
          <TypePicker />
          <span class="space" />
          {comparing ? <Second part="CompareTime" /> : <TimePicker />}
        </div>
        {comparing ? (
          <Second part="Picking" />
        ) : (
          <div class="bar second">
            <ScopePicker />
            <QueryBar />
            <Downloads />
          </div>
        )}
      </header>
      {comparing ? (
        <Second part="Compare" />
      ) : (
        <>
          <Timeline />
          <Main />
        </>
      )}
    </>
  );
}
