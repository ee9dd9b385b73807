// SPDX-License-Identifier: Apache-2.0
// How far the picture can be trusted: samples, what was lost, how much is whole and named, and why the rest is not.
// Warnings of the server stand above it and cannot be closed.
import { computed } from '@preact/signals';
import { ranked, sumOf } from '../../src/profile/coverage.js';
import { causeName } from '../../src/profile/reasons.js';
import { isSnapshot } from '../../src/profile/types.js';
import { formatShare } from '../../src/profile/units.js';
import { KIND_NAMES, KINDS } from '../flame/kind.js';
import { DARK, kindColour, LIGHT } from '../flame/palette.js';
import { formatCount, formatValue } from '../lib/format.js';
import { flame, measure, picture, state, top } from '../state/page.js';
import { dark } from '../state/theme.js';
import { CoverageDetail } from './coverage-detail.js';
import { FoldedFrames } from './table-fields.js';

/** Self time by kind under the zoomed frame. */
const kinds = computed(() => {
  const data = flame.data.value;
  if (data === null) return [];
  const { graph, looks } = data;
  const sums = new Float64Array(KINDS.length);
  const { root } = picture.view.value;
  for (let row = root; row < (graph.end[root] ?? 0); row++)
    sums[looks.kind[graph.fn[row]!]!]! += graph.self[row]!;
  const whole = graph.total[root] ?? 0;
  return KINDS.map((kind, i) => ({ kind, self: sums[i]!, whole }))
    .filter(entry => entry.self > 0)
    .sort((a, b) => b.self - a.self);
});

function Lost({ counts }: { counts: Record<string, number> }) {
  const causes = ranked(counts);
  return (
    <span class={causes.length > 0 ? 'fact noted' : 'fact'} title="Samples lost on the whole host">
      {formatCount(sumOf(counts))} lost
      {causes.length > 0 && (
        <span class="faint">
          {' '}
          ({causes.map(([cause, n]) => `${causeName(cause)} ${formatCount(n)}`).join(', ')})
        </span>
      )}
    </span>
  );
}

export function Coverage() {
  const data = flame.data.value;
  if (data === null) return null;
  const { answer } = data;
  const { stats } = answer;
  const palette = dark.value ? DARK : LIGHT;
  const warnings = [...new Set([...answer.warnings, ...(top.data.value?.warnings ?? [])])];
  return (
    <>
      {warnings.map(text => (
        <div key={text} class="warning" role="status">
          {text}
        </div>
      ))}
      <div class="coverage">
        <div class="facts">
          <span class="fact strong">{formatValue(answer.sum, measure.value.unit)}</span>
          {isSnapshot(state.value.type) ? (
            <span class="fact" title="What there was at the moment of each">
              average of {formatCount(answer.profiles)} snapshots
            </span>
          ) : (
            // Other writers do not tell how many samples a profile is made of.
            stats.samples === 0 && <span class="fact">{formatCount(answer.profiles)} profiles</span>
          )}
          {stats.samples > 0 && (
            <span class="fact">
              {formatCount(stats.samples)} samples
              {stats.clocks.length > 0 && <span class="faint"> by {stats.clocks.join(', ')}</span>}
            </span>
          )}
          {(stats.samples > 0 || Object.keys(stats.lost).length > 0) && <Lost counts={stats.lost} />}
          <CoverageDetail stats={stats} />
          <FoldedFrames count={answer.omittedNodes} />
        </div>
        <div class="kinds" title="Self time by kind of code, of what is in view">
          {kinds.value.map(({ kind, self, whole }) => (
            <span key={kind} class="kind">
              <span class="swatch" style={{ background: kindColour(palette, kind) }} />
              {KIND_NAMES[kind]} <span class="faint">{formatShare(self, whole)}</span>
            </span>
          ))}
        </div>
      </div>
    </>
  );
}
