// SPDX-License-Identifier: Apache-2.0
// Rates over time, stacked by a label, with the deploys of the service. Dragging chooses a range; a click on a name narrows
// to it.
import { computed, signal } from '@preact/signals';
import { formatShare } from '../../src/profile/units.js';
import { layerColours } from '../lib/colours.js';
import { formatRate } from '../lib/format.js';
import { equalTo, withLabels } from '../lib/query.js';
import { stack } from '../lib/series.js';
import { formatClock, formatSpan } from '../lib/time.js';
import { compareWithBefore } from '../state/compare-to.js';
import {
  isSampleLabel,
  labelNames,
  measure,
  now,
  range,
  serviceDeploys,
  state,
  timeline,
  update,
} from '../state/page.js';
import { dark } from '../state/theme.js';
import { Chart } from './chart.js';
import { DeployMarks } from './deploy-marks.js';
import { apart, Problem } from './problem.js';

const LAYERS = 6;
const HEIGHT = 116;

const stacked = computed(() => {
  const answer = timeline.data.value;
  const r = range.value;
  if (answer === null || r === null) return null;
  return {
    ...stack(answer, answer.by, { perMs: measure.value.perMs, layers: LAYERS, ...r, now: now.peek() }),
    step: answer.step,
    by: answer.by,
  };
});

/** Bucket under the pointer, or -1. */
const at = signal(-1);

function layerName(name: string | null, by: string): string {
  if (name === null) return 'others';
  if (by === '') return 'total';
  return name === '' ? `no ${by}` : name;
}

export function Timeline() {
  const s = stacked.value;
  const names = (labelNames.data.value ?? []).filter(name => !isSampleLabel(name));
  const { by, query } = state.value;
  const choices = [...new Set(['service_name', ...names, by].filter(name => name !== ''))];
  const colours =
    s === null
      ? []
      : layerColours(
          s.layers.map(layer => layer.name),
          dark.value,
        );
  const r = range.value;
  const deploys = serviceDeploys.data.value;
  const bucket = at.value;
  const over = s !== null && bucket >= 0 && bucket < s.present.length;
  return (
    <section class="timeline" aria-label="Timeline">
      <div class="timeline-chart">
        <div class="caption">
          {measure.value.rate}
          {s !== null && s.times.length > 0 && <span class="faint"> · each step {formatSpan(s.step)}</span>}
          {serviceDeploys.error.value !== null && (
            <span class="faint"> · deploys are not known: {serviceDeploys.error.value.message}</span>
          )}
          <span class="space" />
          {r !== null && s !== null && s.times.length > 0 && (
            <button
              type="button"
              class="link"
              title="Two selections side by side: this range and the one of the same length before it"
              onClick={() => compareWithBefore(query, r)}
            >
              Compare this range with the one before
            </button>
          )}
        </div>
        {r !== null && (
          <Chart
            data={s}
            range={r}
            height={HEIGHT}
            title="Drag to choose a time range"
            onHover={bucket => {
              at.value = bucket;
            }}
            onSelect={({ from, until }) => update({ from: String(from), until: String(until), span: '' })}
          >
            {deploys !== null && <DeployMarks answer={deploys} range={r} />}
          </Chart>
        )}
        <Problem error={apart(timeline.error.value)} />
      </div>
      <div class="legend">
        <div class="legend-head">
          <label>
            by{' '}
            <select value={by} onChange={event => update({ by: event.currentTarget.value })}>
              <option value="">nothing</option>
              {choices.map(name => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
          <span class="faint">{over ? formatClock(s.times[bucket]!) : 'share'}</span>
        </div>
        <div class="legend-rows">
          {s?.layers.map((layer, i) => {
            const name = layerName(layer.name, s.by);
            const pinned = s.by !== '' && equalTo(query, s.by) === layer.name;
            const selectable = s.by !== '' && layer.name !== null && layer.name !== '' && !pinned;
            return (
              <button
                key={name}
                type="button"
                class="legend-row"
                disabled={!selectable}
                title={selectable ? `Narrow to ${s.by}="${name}"` : name}
                onClick={() => update({ query: withLabels(query, { [s.by]: layer.name }), span: '' })}
              >
                <span class="swatch" style={{ background: colours[i] }} />
                <span class="legend-name">{name}</span>
                <span class="legend-value">
                  {over
                    ? s.present[bucket] === 1
                      ? formatRate(layer.rates[bucket]!)
                      : '–'
                    : formatShare(layer.total, s.total)}
                </span>
              </button>
            );
          })}
        </div>
      </div>
    </section>
  );
}
