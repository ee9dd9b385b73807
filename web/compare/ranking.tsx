// SPDX-License-Identifier: Apache-2.0
// What got dearer and what cheaper, the greatest first, and on request what is not known to have changed.
import { reasonText } from '../../src/profile/reasons.js';
import type { Ranked } from '../../src/profile/statistics/ranking.js';
import { shortName } from '../flame/label.js';
import { formatAmount, formatCount, formatDifference } from '../lib/format.js';
import { inOrder, type Order } from '../lib/ranking.js';
import { formatChange, formatInterval } from '../lib/verdict.js';
import { FilterField } from '../parts/table-fields.js';
import { Segments } from '../parts/toolbar.js';
import { state, update } from '../state/address.js';
import { compared, costUnit, ranking, unchanged } from '../state/compare.js';
import { formatNormalized, formatQ } from './diff-view.js';

/** More than anyone reads in one list: the rest is reached by the filter, and counted. */
const MOST_ROWS = 200;

function Row({ row, tone }: { row: Ranked; tone: 'dearer' | 'cheaper' | 'same' }) {
  const { amounts, find, regex } = state.value;
  const unit = costUnit.value;
  const { kind } = compared.data.value!.normalization;
  const on = find === row.function && !regex;
  const amount = (share: number, cost: number) =>
    amounts === 'share' ? formatNormalized(share, kind) : formatAmount(cost * unit.factor);
  const full = [
    row.function,
    row.module,
    row.file,
    row.reason === '' ? '' : `no name: ${reasonText(row.reason)}`,
  ];
  return (
    <tr class={on ? 'on' : ''}>
      <td class="fn">
        <div>
          <button
            type="button"
            class="fn-name"
            title={full.filter(Boolean).join('\n')}
            aria-pressed={on}
            onClick={() => update({ find: on ? '' : row.function, regex: false })}
          >
            {shortName(row.function)}
          </button>
          <span class="fn-module">{row.module}</span>
        </div>
      </td>
      <td class="amounts">
        {amount(row.base, row.baseCost)} <span class="faint">→</span> {amount(row.head, row.headCost)}
      </td>
      <td class={`change ${tone}`}>
        <strong>{formatChange(row.change)}</strong>
        <span class="faint interval">{formatInterval(row.interval)}</span>
      </td>
      <td class="num faint">{formatQ(row.q)}</td>
      <td class="num">{formatDifference(row.cost * unit.factor)}</td>
    </tr>
  );
}

function Head({ order, name, title }: { order: Order; name: string; title: string }) {
  const on = state.value.order === order;
  return (
    <th
      scope="col"
      class={order === 'name' ? 'fn' : order}
      aria-sort={on ? (order === 'name' ? 'ascending' : 'descending') : 'none'}
    >
      <button type="button" class={on ? 'sort on' : 'sort'} title={title} onClick={() => update({ order })}>
        {name}
        <span class="arrow">{on ? (order === 'name' ? '▴' : '▾') : ''}</span>
      </button>
    </th>
  );
}

function Group(props: { title: string; tone: 'dearer' | 'cheaper' | 'same'; rows: Ranked[]; note?: string }) {
  const { title, tone, rows, note } = props;
  const { order, filter } = state.value;
  const found = inOrder(rows, order, filter);
  const shown = found.slice(0, MOST_ROWS);
  return (
    <tbody>
      <tr class={`group ${tone}`}>
        <th scope="rowgroup" colSpan={5}>
          {title} <span class="count">{formatCount(rows.length)}</span>
          {note !== undefined && <span class="faint"> {note}</span>}
        </th>
      </tr>
      {shown.map(row => (
        <Row key={`${row.function}\0${row.file}`} row={row} tone={tone} />
      ))}
      {found.length === 0 && (
        <tr>
          <td class="nothing" colSpan={5}>
            {rows.length === 0 ? 'none that is told from noise' : 'none matches the filter'}
          </td>
        </tr>
      )}
      {found.length > shown.length && (
        <tr>
          <td class="nothing" colSpan={5}>
            {formatCount(found.length - shown.length)} more: filter to narrow the list
          </td>
        </tr>
      )}
    </tbody>
  );
}

export function RankingTable() {
  const found = ranking.value;
  const data = compared.data.value;
  const { all, rank } = state.value;
  if (found === null || data === null) return null;
  const unit = costUnit.value;
  const { untested } = data.statistics;
  return (
    <section class="table ranking" aria-label="Functions that changed">
      <div class="table-tools">
        <FilterField />
        <Segments
          of="amounts"
          label="Amounts"
          choices={[
            { value: 'share', name: 'comparable', title: 'In what the sides are compared in' },
            { value: 'cost', name: unit.name, title: `${unit.name} that an instance uses, as it was` },
          ]}
        />
        <label class="check" title="Functions whose difference is not told from noise, too">
          <input type="checkbox" checked={all} onChange={() => update({ all: !all })} /> all
        </label>
      </div>
      <div class="table-scroll">
        <table>
          <caption class="unseen">
            Functions that changed, by{' '}
            {rank === 'self' ? 'what they do themselves' : 'what they do with what they call'}
          </caption>
          <thead>
            <tr>
              <Head order="name" name="Function" title="By name" />
              <th scope="col" class="amounts">
                base → head
              </th>
              <Head order="change" name="Change, 95 %" title="The greatest change first" />
              <th
                scope="col"
                class="q"
                title="Share of false ones among all that are as clear: real is what has less than 0.05"
              >
                q
              </th>
              <Head
                order="cost"
                name="Cost"
                title={`What the change costs an instance, in ${unit.name}: the greatest first`}
              />
            </tr>
          </thead>
          <Group title="Dearer" tone="dearer" rows={found.regressions} />
          <Group title="Cheaper" tone="cheaper" rows={found.improvements} />
          {all && (
            <Group
              title="Not told from noise"
              tone="same"
              rows={unchanged.value}
              {...(untested > 0
                ? { note: `and ${formatCount(untested)} that are too small to be tested` }
                : {})}
            />
          )}
        </table>
        {found.omitted > 0 && (
          <p class="nothing">{formatCount(found.omitted)} smaller changes are not listed.</p>
        )}
      </div>
    </section>
  );
}
