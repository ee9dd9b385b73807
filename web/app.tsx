// SPDX-License-Identifier: Apache-2.0
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
import { empty, flame, range, state } from './state/page.js';

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
          <Toolbar />
          <Coverage />
          <div class={`profile ${view}`}>
            {view !== 'table' && <FlameView />}
            {view !== 'flame' && <TopTable />}
          </div>
        </>
      )}
    </main>
  );
}

export function App() {
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
          <TypePicker />
          <span class="space" />
          <TimePicker />
        </div>
        <div class="bar second">
          <ScopePicker />
          <QueryBar />
          <Downloads />
        </div>
      </header>
      <Timeline />
      <Main />
    </>
  );
}
