// SPDX-License-Identifier: Apache-2.0
// The second mode of the page, loaded when it is opened.
import { Problem } from '../parts/problem.js';
import { Segments, Toolbar } from '../parts/toolbar.js';
import { state } from '../state/address.js';
import {
  compared,
  deploys,
  failed,
  mergedPicture,
  nothing,
  ofDeploys,
  pair,
  sides,
  startComparing,
  waiting,
} from '../state/compare.js';
import { Banner } from './banner.js';
import { Choosing } from './choosing.js';
import { DiffView } from './diff-view.js';
import { CompareTime, Picking } from './picking.js';
import { RankingTable } from './ranking.js';
import { SideCard } from './side-card.js';

export { CompareTime, Picking };

startComparing();

export function Compare() {
  const { view, service } = state.value;
  const data = compared.data.value;
  const error = failed.value ?? (ofDeploys.value && service === '' ? deploys.error.value : null);
  const hasSides = sides.value !== null || !ofDeploys.value;
  const busy = compared.loading.value || (ofDeploys.value && pair.loading.value);
  const isEmpty = nothing.value.length > 0;
  return (
    <>
      {hasSides && (
        <div class="sides">
          <SideCard name="left" />
          <SideCard name="right" />
        </div>
      )}
      <main class={error !== null ? 'stale' : busy && data !== null ? 'busy' : ''} aria-busy={busy}>
        <Problem error={error} />
        {error === null && <Choosing />}
        {waiting.value && error === null && <div class="empty faint">Comparing…</div>}
        {data !== null && !isEmpty && (
          <>
            <Banner />
            <Toolbar model={mergedPicture}>
              <Segments
                of="rank"
                label="Functions by"
                choices={[
                  { value: 'self', name: 'Self', title: 'What functions do themselves' },
                  { value: 'total', name: 'Total', title: 'What functions do with what they call' },
                ]}
              />
              <Segments
                of="graph"
                label="Graphs"
                choices={[
                  { value: 'merged', name: 'Merged', title: 'Both sides in one graph' },
                  {
                    value: 'beside',
                    name: 'Side by side',
                    title: 'A graph for each side; they move together',
                  },
                ]}
              />
            </Toolbar>
            <div class={`profile view-${view}`}>
              {view !== 'table' && <DiffView />}
              {view !== 'flame' && <RankingTable />}
            </div>
          </>
        )}
      </main>
    </>
  );
}
