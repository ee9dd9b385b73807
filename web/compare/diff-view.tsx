// SPDX-License-Identifier: Apache-2.0
// Both sides as one flame graph, or as two that move together, with the numbers of the frame that is pointed at.
import type { NormalizationKind } from '../../src/profile/statistics/normalization.js';
import { SIGNIFICANT } from '../../src/profile/statistics/ranking.js';
import { CHEAPER, DEARER, STEPS } from '../flame/diff.js';
import { DIFF } from '../flame/diff-palette.js';
import { formatAmount, formatValue } from '../lib/format.js';
import { shortDeploy } from '../lib/marks.js';
import { formatChange, formatInterval } from '../lib/verdict.js';
import { FlamePane, FrameName, Tooltip } from '../parts/flame-pane.js';
import { state } from '../state/address.js';
import {
  compared,
  costUnit,
  leftPicture,
  mergedPicture,
  ofDeploys,
  pair,
  rightPicture,
} from '../state/compare.js';
import type { Compared } from '../state/compared.js';
import { measure } from '../state/page.js';
import { dark } from '../state/theme.js';

/** A value in what sides are compared in. */
export function formatNormalized(value: number, kind: NormalizationKind): string {
  const { unit } = measure.value;
  switch (kind) {
    case 'stable':
    case 'total':
      return `${formatAmount(value * 100)} %`;
    case 'duration':
      return formatAmount(unit === 'nanoseconds' ? value / 1e9 : value * costUnit.value.factor);
    case 'cpu':
      return unit === 'nanoseconds' ? formatAmount(value / 1e9) : formatAmount(value);
    default:
      return formatValue(value, unit);
  }
}

export function formatQ(q: number): string {
  return q < 0.001 ? '<0.001' : q.toFixed(3);
}

export function sideNames(): { left: string; right: string } {
  const chosen = ofDeploys.value ? pair.data.value : null;
  return chosen === null
    ? { left: 'left', right: 'right' }
    : { left: shortDeploy(chosen.base.deploy), right: shortDeploy(chosen.head.deploy) };
}

/** Numbers of a row: absolute, normalized, and how they differ. */
function numbersOf({ answer, normalization }: Compared, row: number, by: 'self' | 'total') {
  const left = answer.left[by][row]!;
  const right = answer.right[by][row]!;
  const a = left * normalization.left;
  const b = right * normalization.right;
  return { left, right, a, b, change: a > 0 ? b / a - 1 : b > 0 ? null : 0 };
}

function Hovered() {
  const data = compared.data.value;
  const row = mergedPicture.hover.value;
  if (data === null || row < 0 || row >= data.merged.rows) return null;
  const { answer, rows, statistics, normalization } = data;
  const fn = answer.function[row]!;
  const { unit } = measure.value;
  const names = sideNames();
  const tested = rows[fn]!;
  const { kind } = normalization;
  const line = (by: 'total' | 'self') => {
    const { left, right, a, b, change } = numbersOf(data, row, by);
    return (
      <tr>
        <th>{by}</th>
        <td>{formatValue(left, unit)}</td>
        <td>{formatValue(right, unit)}</td>
        <td>{formatNormalized(a, kind)}</td>
        <td>{formatNormalized(b, kind)}</td>
        <td>{change === 0 ? '' : formatChange(change)}</td>
      </tr>
    );
  };
  const whole = (by: 'total' | 'self') => {
    const { change, low, high, q, left, right } = statistics[by];
    if (left[tested] === 0 && right[tested] === 0) return null;
    return (
      <tr class={q[tested]! < SIGNIFICANT ? '' : 'faint'}>
        <th>{by}</th>
        <td colSpan={2} />
        <td>{formatNormalized(left[tested]!, kind)}</td>
        <td>{formatNormalized(right[tested]!, kind)}</td>
        <td class="strong">{formatChange(change[tested]!)}</td>
        <td>{formatInterval([low[tested]!, high[tested]!])}</td>
        <td>{formatQ(q[tested]!)}</td>
      </tr>
    );
  };
  return (
    <Tooltip>
      <FrameName functions={answer.functions} fn={fn} />
      <table>
        <thead>
          <tr>
            <th />
            <th>{names.left}</th>
            <th>{names.right}</th>
            <th colSpan={2}>comparable</th>
            <th>change</th>
            {tested >= 0 && row > 0 && (
              <>
                <th>95 %</th>
                <th>q</th>
              </>
            )}
          </tr>
        </thead>
        <tbody>
          <tr>
            <th class="of" colSpan={8}>
              This frame
            </th>
          </tr>
          {line('total')}
          {line('self')}
          {row > 0 && (
            <tr>
              <th class="of" colSpan={8}>
                The function wherever it is called{tested < 0 && ': too small to be tested'}
              </th>
            </tr>
          )}
          {row > 0 && tested >= 0 && (
            <>
              {whole('total')}
              {whole('self')}
            </>
          )}
        </tbody>
      </table>
    </Tooltip>
  );
}

/** The focused frame in words: read out by screen readers, and text that can be selected. */
function FocusLine() {
  const data = compared.data.value;
  if (data === null) return null;
  const at = mergedPicture.focus.value;
  const row = at >= 0 && at < data.merged.rows ? at : mergedPicture.view.value.root;
  const { answer, rows, statistics } = data;
  const fn = answer.function[row]!;
  const { rank } = state.value;
  const { left, right, change } = numbersOf(data, row, rank);
  const names = sideNames();
  const tested = rows[fn]!;
  const { unit } = measure.value;
  return (
    <div class="focus-line">
      <output aria-live="polite">
        {row === 0 ? (
          <span class="faint">
            Click a frame to zoom, drag to move, Ctrl+wheel to scale; arrows, Enter and Esc with the keyboard;
            / searches
          </span>
        ) : (
          <>
            <span class="strong">{answer.functions.name[fn]}</span>
            <span class="faint"> {answer.functions.module[fn]}</span>
            {' · '}
            {rank} {formatValue(left, unit)} in {names.left}, {formatValue(right, unit)} in {names.right}
            {change !== 0 && `, ${formatChange(change)} as comparable`}
            {' · '}
            {tested < 0
              ? 'the function is too small to be tested'
              : `the function in all ${formatChange(statistics[rank].change[tested]!)} (${formatInterval([statistics[rank].low[tested]!, statistics[rank].high[tested]!])}), q ${formatQ(statistics[rank].q[tested]!)}`}
          </>
        )}
      </output>
    </div>
  );
}

function Legend() {
  const { dark: night, light } = DIFF;
  const { frame } = dark.value ? night : light;
  const { rank, graph } = state.value;
  const steps = STEPS.map((_, i) => i);
  const least = (i: number) => (i === 0 ? 'below 10 %' : `from ${Math.round((STEPS[i]! - 1) * 100)} %`);
  return (
    <div class="diff-legend">
      <span>cheaper</span>
      <span
        class="scale"
        role="img"
        aria-label="Blue frames are cheaper in the head, by how much they are dearer in the base"
      >
        {steps.toReversed().map(i => (
          <i key={i} style={{ background: frame[CHEAPER + i] }} title={`dearer in the base, ${least(i)}`} />
        ))}
      </span>
      <span class="scale" role="img" aria-label="Grey frames are not told from noise">
        <i class="grey" style={{ background: frame[1] }} />
      </span>
      <span class="faint">not told from noise</span>
      <span class="scale" role="img" aria-label="Red frames are dearer in the head">
        {steps.map(i => (
          <i key={i} style={{ background: frame[DEARER + i] }} title={`dearer in the head, ${least(i)}`} />
        ))}
      </span>
      <span>dearer</span>
      <span
        class="meaning"
        title={`Colour: how ${rank === 'self' ? 'what a frame does itself' : 'a frame with what it calls'} changed, where its function is known to have changed.${graph === 'merged' ? ' Width: the mean of both sides, as comparable.' : ''}`}
      >
        {rank === 'self' ? 'in what a frame does itself' : 'in a frame with what it calls'}
      </span>
    </div>
  );
}

/** A frame that is zoomed in on may be on the other side only. */
function isAbsent(which: 'left' | 'right'): boolean {
  const { lo, hi } = (which === 'left' ? leftPicture : rightPicture).view.value.span;
  return !(hi > lo);
}

export function DiffView() {
  const { graph, layout } = state.value;
  const callers = layout === 'icicle' ? 'callers above' : 'callers below';
  const keys =
    'Arrow keys move, Enter zooms, Escape zooms out. The table beside it has the functions that changed.';
  const names = sideNames();
  return (
    <div class="flame">
      <Legend />
      {graph === 'merged' ? (
        <FlamePane
          key="merged"
          model={mergedPicture}
          label={`Flame graph of both sides, ${callers}. ${keys}`}
        />
      ) : (
        <div class="beside">
          {(['left', 'right'] as const).map(which => (
            <div key={which} class="beside-side">
              <div class="beside-name">{names[which]}</div>
              <FlamePane
                model={which === 'left' ? leftPicture : rightPicture}
                label={`Flame graph of ${names[which]}, ${callers}. ${keys}`}
              />
              {isAbsent(which) && <p class="absent">Nothing of the zoomed frame is in {names[which]}.</p>}
            </div>
          ))}
        </div>
      )}
      <FocusLine />
      <Hovered />
    </div>
  );
}
