// SPDX-License-Identifier: Apache-2.0
// The canvas with its tooltip and the line that names the focused frame. Layout and drawing are in flame/.
import { useEffect, useRef } from 'preact/hooks';
import { reasonText } from '../../src/profile/reasons.js';
import { formatShare } from '../../src/profile/units.js';
import { FlameCanvas, focus, hover, pointer } from '../flame/canvas.js';
import { formatValue } from '../lib/format.js';
import { flame, measure, state, view } from '../state/page.js';

/** The canvas that is on the screen, for the search field's keys. */
export const shown: { canvas: FlameCanvas | null } = { canvas: null };

function Tooltip() {
  const data = flame.data.value;
  const row = hover.value;
  const box = useRef<HTMLDivElement>(null);
  const { x, y } = pointer.value;
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const { width, height } = element.getBoundingClientRect();
    const left = x + 14 + width > innerWidth - 8 ? Math.max(8, x - 14 - width) : x + 14;
    const top = y + 18 + height > innerHeight - 8 ? Math.max(8, y - 12 - height) : y + 18;
    element.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  });
  if (data === null || row < 0 || row >= data.graph.rows) return null;
  const { graph } = data;
  const fn = graph.fn[row]!;
  const { name, file, module, reason, buildId } = graph.functions;
  const { root } = view.value;
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
    <div class="tooltip" ref={box} aria-hidden="true">
      <div class="tooltip-name">{name[fn]}</div>
      {(module[fn] !== '' || file[fn] !== '') && (
        <div class="tooltip-place">
          {module[fn] !== '' && <span class="strong">{module[fn]}</span>} {file[fn]}
        </div>
      )}
      {reason[fn] !== '' && (
        <div class="tooltip-reason">
          no name ({reason[fn]}): {reasonText(reason[fn]!)}
        </div>
      )}
      {buildId[fn] !== '' && <div class="tooltip-place">build ID {buildId[fn]}</div>}
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
    </div>
  );
}

/** The focused frame in words: read out by screen readers, and text that can be selected. */
function FocusLine() {
  const data = flame.data.value;
  const { root } = view.value;
  if (data === null) return null;
  const row = focus.value >= 0 && focus.value < data.graph.rows ? focus.value : root;
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
  const scroller = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const spacer = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const drawn = new FlameCanvas(scroller.current!, canvas.current!, spacer.current!);
    shown.canvas = drawn;
    return () => {
      shown.canvas = null;
      drawn.dispose();
    };
  }, []);
  return (
    <div class="flame">
      <div
        class="flame-scroll"
        ref={scroller}
        role="application"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: keys move through the frames
        tabIndex={0}
        aria-label={`Flame graph, ${state.value.layout === 'icicle' ? 'callers above' : 'callers below'}. Arrow keys move, Enter zooms, Escape zooms out. The table beside it has the same numbers.`}
      >
        <canvas ref={canvas} />
        <div ref={spacer} />
      </div>
      <FocusLine />
      <Tooltip />
    </div>
  );
}
