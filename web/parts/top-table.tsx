// SPDX-License-Identifier: Apache-2.0
// Functions by self and total. Of the whole, as the server counts it; of a zoomed frame, counted from the graph. Only
// the rows in sight are in the document.
import { computed } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { reasonText } from '../../src/profile/reasons.js';
import { formatShare } from '../../src/profile/units.js';
import { kindOf } from '../flame/kind.js';
import { shortName } from '../flame/label.js';
import { DARK, kindColour, LIGHT } from '../flame/palette.js';
import { type FunctionTable, tableUnder } from '../flame/search.js';
import { formatCount, formatValue } from '../lib/format.js';
import { sortedRows } from '../lib/rows.js';
import { flame, measure, picture, state, top, update } from '../state/page.js';
import { dark } from '../state/theme.js';
import type { PageState } from '../state/url.js';
import { apart, Problem } from './problem.js';
import { FilterField } from './table-fields.js';

const ROW = 22;

/** `total` is the root and `other` is what was folded: neither is a function. */
const table = computed<FunctionTable | null>(() => {
  const data = flame.data.value;
  const { root } = picture.view.value;
  if (data !== null && root > 0) return tableUnder(data.graph, root);
  const answer = top.data.value;
  if (answer === null) return null;
  return {
    functions: answer.functions,
    sum: answer.sum,
    self: Float64Array.from(answer.self),
    total: Float64Array.from(answer.total),
  };
});

const rows = computed(() =>
  table.value === null ? new Uint32Array() : sortedRows(table.value, state.value.filter, state.value.sort),
);

function Head({ sort, name }: { sort: PageState['sort']; name: string }) {
  const on = state.value.sort === sort;
  return (
    <th
      scope="col"
      colSpan={sort === 'name' ? 1 : 2}
      class={sort === 'name' ? 'fn' : 'num'}
      aria-sort={on ? (sort === 'name' ? 'ascending' : 'descending') : 'none'}
    >
      <button type="button" class={on ? 'sort on' : 'sort'} onClick={() => update({ sort })}>
        {name}
        <span class="arrow">{on ? (sort === 'name' ? '▴' : '▾') : ''}</span>
      </button>
    </th>
  );
}

function Value({ value, sum }: { value: number; sum: number }) {
  const faint = value === 0 ? ' faint' : '';
  return (
    <>
      <td class={`num${faint}`}>{formatValue(value, measure.value.unit)}</td>
      <td class={`pct${faint}`}>
        <span class="bar" style={{ width: `${sum > 0 ? Math.min(100, (value / sum) * 100) : 0}%` }} />
        <span>{formatShare(value, sum)}</span>
      </td>
    </>
  );
}

function Row({ index, at, of }: { index: number; at: number; of: FunctionTable }) {
  const { functions, self, total, sum } = of;
  const name = functions.name[index]!;
  const module = functions.module[index]!;
  const file = functions.file[index]!;
  const reason = functions.reason[index]!;
  const buildId = functions.buildId[index]!;
  const palette = dark.value ? DARK : LIGHT;
  const on = state.value.find === name && !state.value.regex;
  const full = [
    name,
    module,
    file,
    reason === '' ? '' : `no name: ${reasonText(reason)}`,
    buildId === '' ? '' : `build ID ${buildId}`,
  ];
  return (
    <tr class={on ? 'on' : ''} aria-rowindex={at + 2}>
      <td class="fn">
        <div>
          <span
            class="swatch"
            style={{ background: kindColour(palette, kindOf(name, file, module, reason)) }}
          />
          <button
            type="button"
            class="fn-name"
            title={full.filter(Boolean).join('\n')}
            aria-pressed={on}
            onClick={() => update({ find: on ? '' : name, regex: false })}
          >
            {shortName(name)}
          </button>
          <span class="fn-module">{reason === '' ? module : `${module} ${reason}`}</span>
        </div>
      </td>
      <Value value={self[index]!} sum={sum} />
      <Value value={total[index]!} sum={sum} />
    </tr>
  );
}

/** Height of the heading, which stays above the rows. */
const HEAD = 25;

export function TopTable() {
  const body = useRef<HTMLDivElement>(null);
  const [scroll, setScroll] = useState({ top: 0, height: 600 });
  useEffect(() => {
    const element = body.current;
    if (element === null) return;
    const measureBody = () => setScroll({ top: element.scrollTop, height: element.clientHeight });
    const observer = new ResizeObserver(measureBody);
    observer.observe(element);
    element.addEventListener('scroll', measureBody, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener('scroll', measureBody);
    };
  }, []);
  const data = table.value;
  const order = rows.value;
  const first = Math.max(0, Math.min(order.length, Math.floor(scroll.top / ROW) - 4));
  const last = Math.min(order.length, Math.ceil((scroll.top + scroll.height - HEAD) / ROW) + 4);
  const zoomed = picture.view.value.root > 0;
  const folded = zoomed ? (flame.data.value?.answer.omittedNodes ?? 0) : 0;
  const omitted = zoomed ? 0 : (top.data.value?.omitted ?? 0);
  return (
    <section class="table" aria-label="Functions">
      <div class="table-tools">
        <FilterField />
        <span class="faint">
          {formatCount(order.length)} functions{zoomed ? ' of the zoomed frame' : ''}
          {omitted > 0 && `, ${formatCount(omitted)} smaller not listed`}
          {folded > 0 && ', without what is folded into “other”'}
        </span>
      </div>
      <div class="table-scroll" ref={body}>
        <table aria-rowcount={order.length + 1}>
          <thead>
            <tr aria-rowindex={1}>
              <Head sort="name" name="Function" />
              <Head sort="self" name="Self" />
              <Head sort="total" name="Total" />
            </tr>
          </thead>
          <tbody>
            <tr class="pad" style={{ height: `${first * ROW}px` }} />
            {data !== null &&
              Array.from({ length: Math.max(0, last - first) }, (_, i) => (
                <Row key={order[first + i]} index={order[first + i]!} at={first + i} of={data} />
              ))}
            <tr class="pad" style={{ height: `${Math.max(0, order.length - last) * ROW}px` }} />
          </tbody>
        </table>
        {data !== null && order.length === 0 && <p class="nothing">No function matches the filter.</p>}
      </div>
      {!zoomed && <Problem error={apart(top.error.value)} />}
    </section>
  );
}
