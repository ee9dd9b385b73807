// SPDX-License-Identifier: Apache-2.0
// The canvas with its tooltip and the line that names the focused frame. Layout and drawing are in flame/.
import { formatShare } from '../../src/profile/units.js';
import { formatValue } from '../lib/format.js';
import { flame, measure, picture, state } from '../state/page.js';
import { FlamePane, FrameName, Tooltip } from './flame-pane.js';

function Hovered() {
  const data = flame.data.value;
  const row = picture.hover.value;
  if (data === null || row < 0 || row >= data.graph.rows) return null;
  const { graph } = data;
  const fn = graph.fn[row]!;
  const { root } = picture.view.value;
  const whole = graph.total[0]!;
  const line = (label: string, value: number) => (
    <tr>
      <th>{label}</th>
      <td>{formatValue(value, measure.value.unit)}</td>
      <td>{formatShare(value, whole)}</td>
      {root > 0 && (
        <td>{row >= root && row < graph.end[root]! ? formatShare(value, graph.total[root]!) : '–'}</td>
      )}
    </tr>
  );
  return (
    <Tooltip>
      <FrameName functions={graph.functions} fn={fn} />
      <table>
        <thead>
          <tr>
            <th />
            <th />
            <th>of all</th>
            {root > 0 && <th>of zoomed</th>}
          </tr>
        </thead>
        <tbody>
          {line('total', graph.total[row]!)}
          {line('self', graph.self[row]!)}
        </tbody>
      </table>
    </Tooltip>
  );
}

/** The focused frame in words: read out by screen readers, and text that can be selected. */
function FocusLine() {
  const data = flame.data.value;
  const { root } = picture.view.value;
  if (data === null) return null;
  const at = picture.focus.value;
  const row = at >= 0 && at < data.graph.rows ? at : root;
  const { graph } = data;
  const fn = graph.fn[row]!;
  const { name, module, reason, buildId } = graph.functions;
  const unit = measure.value.unit;
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
            <span class="strong">{name[fn]}</span>
            <span class="faint">
              {' '}
              {reason[fn] === '' ? module[fn] : `${module[fn]} (${reason[fn]})`}
              {buildId[fn] !== '' && ` build ID ${buildId[fn]}`}
            </span>
            {' · '}total {formatValue(graph.total[row]!, unit)},{' '}
            {formatShare(graph.total[row]!, graph.total[0]!)}
            {' · '}self {formatValue(graph.self[row]!, unit)},{' '}
            {formatShare(graph.self[row]!, graph.total[0]!)}
          </>
        )}
      </output>
    </div>
  );
}

export function FlameView() {
  const callers = state.value.layout === 'icicle' ? 'callers above' : 'callers below';
  return (
    <div class="flame">
      <FlamePane
        model={picture}
        label={`Flame graph, ${callers}. Arrow keys move, Enter zooms, Escape zooms out. The table beside it has the same numbers.`}
      />
      <FocusLine />
      <Hovered />
    </div>
  );
}
