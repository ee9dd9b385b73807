// SPDX-License-Identifier: Apache-2.0
// Rates over time as stacked steps. Dragging chooses a range; what is marked (deploys) stands above the steps.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { layerColours } from '../lib/colours.js';
import { formatRate } from '../lib/format.js';
import type { Stack } from '../lib/series.js';
import { formatClock, formatLocal, type Range } from '../lib/time.js';
import { dark } from '../state/theme.js';

/** Room for the numbers at the left and beside the last step: marks stand between them. */
export const AXIS = 46;
export const MARGIN = 8;

interface Props {
  data: Stack | null;
  range: Range;
  height: number;
  title: string;
  /** Colours of the layers; by their names when absent. */
  colours?: string[];
  /** The rest is veiled. */
  lit?: Range | undefined;
  /** Bucket under the pointer, or -1. */
  onHover?: (bucket: number) => void;
  /** Whole seconds, at least one. */
  onSelect: (range: Range) => void;
  children?: ComponentChildren;
}

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

/** @param latest what the page shows now: a chart outlives many answers */
function options(latest: { current: Props }, width: number, isDark: boolean): uPlot.Options {
  const { data, height } = latest.current;
  const layers = data?.layers ?? [];
  const colours =
    latest.current.colours ??
    layerColours(
      layers.map(layer => layer.name),
      isDark,
    );
  const ink = isDark ? '#8b94a0' : '#69727d';
  const grid = isDark ? 'rgba(255,255,255,0.06)' : 'rgba(0,0,0,0.07)';
  const font = '11px system-ui, sans-serif';
  const stepped = uPlot.paths.stepped!({ align: 1 });
  return {
    width,
    height,
    ms: 1,
    padding: [6, MARGIN, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
    select: { show: true, left: 0, top: 0, width: 0, height: 0 },
    scales: {
      x: { time: true, range: () => [latest.current.range.from, latest.current.range.until] },
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
        size: AXIS,
        gap: 4,
        space: 22,
        grid: { stroke: grid, width: 1 },
        ticks: { show: false },
        values: (_, splits) => splits.map(v => formatRate(v)),
      },
    ],
    series: [
      {},
      ...layers
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
          const { onHover } = latest.current;
          if (onHover === undefined) return;
          const left = u.cursor.left ?? -1;
          const times = latest.current.data?.times ?? [];
          if (left < 0 || times.length < 2) return onHover(-1);
          const bucket = Math.floor((u.posToVal(left, 'x') - times[0]!) / (times[1]! - times[0]!));
          onHover(bucket >= 0 && bucket < times.length - 1 ? bucket : -1);
        },
      ],
      setSelect: [
        u => {
          if (u.select.width < 4) return;
          const from = Math.floor(u.posToVal(u.select.left, 'x') / 1000) * 1000;
          const until = Math.ceil(u.posToVal(u.select.left + u.select.width, 'x') / 1000) * 1000;
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          latest.current.onSelect({ from, until: Math.max(until, from + 1000) });
        },
      ],
      draw: [
        u => {
          const { range, lit } = latest.current;
          const veil = (from: number, until: number) => {
            const x0 = Math.max(u.bbox.left, u.valToPos(from, 'x', true));
            const x1 = Math.min(u.bbox.left + u.bbox.width, u.valToPos(until, 'x', true));
            if (x1 <= x0) return;
            u.ctx.save();
            u.ctx.fillStyle = dark.peek() ? 'rgba(24,27,32,0.62)' : 'rgba(255,255,255,0.66)';
            u.ctx.fillRect(x0, u.bbox.top, x1 - x0, u.bbox.height);
            u.ctx.restore();
          };
          if (lit !== undefined) {
            veil(range.from, lit.from);
            veil(lit.until, range.until);
          }
          // Buckets that are still filling look like a fall of the load; they are marked as what they are.
          const pending = latest.current.data?.pendingFrom ?? Number.POSITIVE_INFINITY;
          if (pending < (lit?.until ?? range.until)) veil(pending, lit?.until ?? range.until);
        },
      ],
    },
  };
}

export function Chart(props: Props) {
  const { data, range, height, lit } = props;
  const latest = useRef(props);
  latest.current = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<{ u: uPlot; shape: string } | null>(null);
  const isDark = dark.value;
  useEffect(() => {
    if (box.current === null || data === null) return;
    // The colours are by name: other names need other series, new numbers do not.
    const shape = JSON.stringify([data.layers.map(layer => layer.name), props.colours, isDark]);
    if (plot.current?.shape === shape) {
      plot.current.u.setData(columns(data));
      return;
    }
    plot.current?.u.destroy();
    plot.current = {
      u: new uPlot(options(latest, box.current.clientWidth, isDark), columns(data), box.current),
      shape,
    };
  }, [data, isDark, range.from, range.until, lit?.from, lit?.until]);
  useEffect(() => {
    const observer = new ResizeObserver(() => {
      if (box.current !== null) plot.current?.u.setSize({ width: box.current.clientWidth, height });
    });
    if (box.current !== null) observer.observe(box.current);
    return () => {
      observer.disconnect();
      plot.current?.u.destroy();
      plot.current = null;
    };
  }, []);
  return (
    <div class="chart-box" style={{ height: `${height}px` }}>
      <div class="chart" ref={box} title={props.title} />
      {props.children}
    </div>
  );
}
