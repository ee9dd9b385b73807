// SPDX-License-Identifier: Apache-2.0
// Rates over time, stacked by a label. Dragging chooses a range; a click on a name narrows to it.
import { computed, signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { formatShare } from '../../src/profile/units.js';
import { layerColours } from '../lib/colours.js';
import { formatRate } from '../lib/format.js';
import { equalTo, withLabels } from '../lib/query.js';
import { type Stack, stack } from '../lib/series.js';
import { formatClock, formatLocal, formatSpan } from '../lib/time.js';
import { isSampleLabel, labelNames, measure, now, range, state, timeline, update } from '../state/page.js';
import { dark } from '../state/theme.js';
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

/** uPlot's columns: cumulative, the highest first, as each is painted over by those below it. */
function columns(s: Stack): uPlot.AlignedData {
  const buckets = s.times.length - 1;
  const sums = new Array<number>(Math.max(0, buckets)).fill(0);
  const rows: (number | null)[][] = [];
  for (const layer of s.layers) {
    const row: (number | null)[] = [];
    for (let i = 0; i < buckets; i++) {
      sums[i]! += layer.rates[i]!;
      row.push(s.present[i] === 1 ? sums[i]! : null);
    }
    row.push(buckets > 0 ? row[buckets - 1]! : null);
    rows.push(row);
  }
  return [s.times, ...rows.reverse()] as uPlot.AlignedData;
}

function options(s: Stack, width: number, isDark: boolean): uPlot.Options {
  const colours = layerColours(
    s.layers.map(layer => layer.name),
    isDark,
  );
  const ink = isDark ? '#8b94a0' : '#69727d';
  const grid = isDark ? 'rgba(255,255,255,0.06)' : 'rgba(0,0,0,0.07)';
  const font = '11px system-ui, sans-serif';
  const stepped = uPlot.paths.stepped!({ align: 1 });
  return {
    width,
    height: HEIGHT,
    ms: 1,
    padding: [6, 8, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
    select: { show: true, left: 0, top: 0, width: 0, height: 0 },
    scales: {
      x: {
        time: true,
        range: () => (range.peek() === null ? [0, 1] : [range.peek()!.from, range.peek()!.until]),
      },
      y: { range: (_, __, max) => [0, max > 0 ? max * 1.08 : 1] },
    },
    axes: [
      {
        stroke: ink,
        font,
        size: 22,
        gap: 3,
        grid: { stroke: grid, width: 1 },
        ticks: { show: false },
        space: 80,
        values: (_, splits) => {
          const whole = splits.every(ms => ms % 60_000 === 0);
          return splits.map((ms, i) => {
            const local = formatLocal(ms);
            const newDay = i > 0 && formatLocal(splits[i - 1]!).slice(0, 10) !== local.slice(0, 10);
            return newDay ? local.slice(5, 10) : whole ? local.slice(11, 16) : formatClock(ms);
          });
        },
      },
      {
        stroke: ink,
        font,
        size: 46,
        gap: 4,
        space: 22,
        grid: { stroke: grid, width: 1 },
        ticks: { show: false },
        values: (_, splits) => splits.map(v => formatRate(v)),
      },
    ],
    series: [
      {},
      ...s.layers
        .map((_, i) => ({
          paths: stepped,
          fill: colours[i]!,
          stroke: colours[i]!,
          width: 0,
          points: { show: false },
          spanGaps: false,
        }))
        .reverse(),
    ],
    hooks: {
      setCursor: [
        u => {
          const left = u.cursor.left ?? -1;
          const times = stacked.peek()?.times ?? [];
          if (left < 0 || times.length < 2) {
            at.value = -1;
            return;
          }
          const bucket = Math.floor((u.posToVal(left, 'x') - times[0]!) / (times[1]! - times[0]!));
          at.value = bucket >= 0 && bucket < times.length - 1 ? bucket : -1;
        },
      ],
      setSelect: [
        u => {
          if (u.select.width < 4) return;
          const from = Math.floor(u.posToVal(u.select.left, 'x') / 1000) * 1000;
          const until = Math.ceil(u.posToVal(u.select.left + u.select.width, 'x') / 1000) * 1000;
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          update({ from: String(from), until: String(Math.max(until, from + 1000)), span: '' });
        },
      ],
      draw: [
        u => {
          // Buckets that are still filling look like a fall of the load; they are marked as what they are.
          const pending = stacked.peek()?.pendingFrom ?? Number.POSITIVE_INFINITY;
          const end = range.peek()?.until ?? 0;
          if (pending >= end) return;
          const x0 = Math.max(u.bbox.left, u.valToPos(pending, 'x', true));
          const x1 = u.bbox.left + u.bbox.width;
          if (x1 <= x0) return;
          u.ctx.save();
          u.ctx.fillStyle = dark.peek() ? 'rgba(24,27,32,0.62)' : 'rgba(255,255,255,0.66)';
          u.ctx.fillRect(x0, u.bbox.top, x1 - x0, u.bbox.height);
          u.ctx.restore();
        },
      ],
    },
  };
}

function Chart() {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<{ u: uPlot; shape: string } | null>(null);
  const s = stacked.value;
  const isDark = dark.value;
  useEffect(() => {
    if (box.current === null || s === null) return;
    // The colours are by name: other names need other series, new numbers do not.
    const shape = JSON.stringify([s.layers.map(layer => layer.name), isDark]);
    if (plot.current?.shape === shape) {
      plot.current.u.setData(columns(s));
      return;
    }
    plot.current?.u.destroy();
    plot.current = {
      u: new uPlot(options(s, box.current.clientWidth, isDark), columns(s), box.current),
      shape,
    };
  }, [s, isDark]);
  useEffect(() => {
    const observer = new ResizeObserver(() => {
      if (box.current !== null) plot.current?.u.setSize({ width: box.current.clientWidth, height: HEIGHT });
    });
    if (box.current !== null) observer.observe(box.current);
    return () => {
      observer.disconnect();
      plot.current?.u.destroy();
      plot.current = null;
    };
  }, []);
  return <div class="chart" ref={box} title="Drag to choose a time range" />;
}

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
  const bucket = at.value;
  const over = s !== null && bucket >= 0 && bucket < s.present.length;
  return (
    <section class="timeline" aria-label="Timeline">
      <div class="timeline-chart">
        <div class="caption">
          {measure.value.rate}
          {s !== null && s.times.length > 0 && <span class="faint"> · each step {formatSpan(s.step)}</span>}
        </div>
        <Chart />
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
