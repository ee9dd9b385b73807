// SPDX-License-Identifier: Apache-2.0
// A flame graph's place on the page. Layout and drawing are in flame/.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { reasonText } from '../../src/profile/reasons.js';
import { FlameCanvas, pointer } from '../flame/canvas.js';
import type { Functions } from '../flame/graph.js';
import type { FlameModel } from '../state/flame-model.js';

/** The canvas that is on the screen, for the search field's keys: of several, the first. */
export const shown: { canvas: FlameCanvas | null } = { canvas: null };

export function FlamePane({ model, label }: { model: FlameModel; label: string }) {
  const scroller = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const spacer = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const drawn = new FlameCanvas(model, scroller.current!, canvas.current!, spacer.current!);
    shown.canvas ??= drawn;
    return () => {
      if (shown.canvas === drawn) shown.canvas = null;
      drawn.dispose();
    };
  }, [model]);
  return (
    <div
      class="flame-scroll"
      ref={scroller}
      role="application"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: keys move through the frames
      tabIndex={0}
      aria-label={label}
    >
      <canvas ref={canvas} />
      <div ref={spacer} />
    </div>
  );
}

/** Follows the pointer, and stays on the screen. */
export function Tooltip({ children }: { children: ComponentChildren }) {
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
  return (
    <div class="tooltip" ref={box} aria-hidden="true">
      {children}
    </div>
  );
}

/** What a frame is: its name, place, and why it has no name. */
export function FrameName({ functions, fn }: { functions: Functions; fn: number }) {
  const [name, module, file] = [functions.name[fn]!, functions.module[fn]!, functions.file[fn]!];
  const [reason, buildId] = [functions.reason[fn]!, functions.buildId[fn]!];
  return (
    <>
      <div class="tooltip-name">{name}</div>
      {(module !== '' || file !== '') && (
        <div class="tooltip-place">
          {module !== '' && <span class="strong">{module}</span>} {file}
        </div>
      )}
      {reason !== '' && (
        <div class="tooltip-reason">
          no name ({reason}): {reasonText(reason)}
        </div>
      )}
      {buildId !== '' && <div class="tooltip-place">build ID {buildId}</div>}
    </>
  );
}
