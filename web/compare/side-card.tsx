// SPDX-License-Identifier: Apache-2.0
// One side: what it is, when, how much of it there is, and what it did around that time.
import { useEffect, useState } from 'preact/hooks';
import { stacksOf } from '../../src/profile/coverage.js';
import { isSnapshot } from '../../src/profile/types.js';
import { formatShare } from '../../src/profile/units.js';
import type { ComparedSide } from '../lib/api.js';
import { api } from '../lib/api.js';
import { formatAmount, formatCount, formatValue } from '../lib/format.js';
import { shortDeploy } from '../lib/marks.js';
import { withLabels } from '../lib/query.js';
import { shares, stack } from '../lib/series.js';
import { describeRange, formatLocal, formatSpan, PRESETS, type Range } from '../lib/time.js';
import { Chart } from '../parts/chart.js';
import { ChoiceList } from '../parts/choice-list.js';
import { DeployMarks } from '../parts/deploy-marks.js';
import { Menu } from '../parts/menu.js';
import { Problem } from '../parts/problem.js';
import { QueryField } from '../parts/query-field.js';
import { RangePanel } from '../parts/time-picker.js';
import { now, state, update } from '../state/address.js';
import {
  axes,
  compared,
  costUnit,
  deploys,
  failed,
  histories,
  ofDeploys,
  pair,
  rangeOf,
  type SideName,
  sides,
} from '../state/compare.js';
import { openProfile } from '../state/compare-to.js';
import { measure } from '../state/page.js';
import { Resource } from '../state/resource.js';
import { dark } from '../state/theme.js';

const HEIGHT = 74;
const other = (name: SideName): SideName => (name === 'left' ? 'right' : 'left');

function setRange(name: SideName, from: string, until: string): void {
  update({ [`${name}_from`]: from, [`${name}_until`]: until });
}

/** Where a range can come from besides typing it. */
function presetsOf(name: SideName): { name: string; from: string; until: string }[] {
  const presets = [
    { name: ofDeploys.value ? 'As chosen for the deploy' : 'The range above', from: '', until: '' },
  ];
  const beside = sides.value?.[other(name)] ?? rangeOf(other(name));
  if (beside !== null) {
    const by = (title: string, ms: number) => ({
      name: title,
      from: String(beside.from - ms),
      until: String(beside.until - ms),
    });
    presets.push(
      by('As the other side', 0),
      by('Just before the other', beside.until - beside.from),
      by('A day before the other', 86_400_000),
      by('A week before the other', 7 * 86_400_000),
    );
  }
  return [
    ...presets,
    ...PRESETS.slice(1, 5).map(({ from, name: title }) => ({ from, until: 'now', name: title })),
  ];
}

function When({ name }: { name: SideName }) {
  const used = sides.value?.[name] ?? null;
  const own = { from: state.value[`${name}_from`], until: state.value[`${name}_until`] };
  const isShared = own.from === '' && own.until === '' && !ofDeploys.value;
  const text =
    used === null
      ? 'Choose a range'
      : isShared
        ? describeRange(state.value.from, state.value.until, used)
        : describeRange(own.from, own.until, used);
  return (
    <Menu
      align={name === 'left' ? 'left' : 'right'}
      class="when"
      title={
        used === null
          ? ''
          : `${formatLocal(used.from)} – ${formatLocal(used.until)}${isShared ? ', as above' : own.from === '' ? ', as chosen for the deploy' : ', its own'}`
      }
      label={
        <>
          <span>{text}</span>
          {used !== null && <span class="faint">{formatSpan(used.until - used.from)}</span>}
        </>
      }
      panel={close => (
        <RangePanel
          from={own.from}
          until={own.until}
          written={{
            from: own.from || String(used?.from ?? 'now-15m'),
            until: own.until || String(used?.until ?? 'now'),
          }}
          presets={presetsOf(name)}
          onChoose={ends => {
            setRange(name, ends.from, ends.until);
            close();
          }}
        />
      )}
    />
  );
}

interface Found {
  choices: { key: string; name: string; share: number; shareText: string }[];
  labels: string[];
}

/** Values of one label within the side, to narrow it by. */
function Narrow({ name, close }: { name: SideName; close: () => void }) {
  const [label, setLabel] = useState('service_name');
  const [found] = useState(() => new Resource<Found>());
  const side = sides.value?.[name] ?? null;
  useEffect(() => {
    if (side === null) return;
    const asked = { type: state.peek().type, ...side, query: withLabels(side.query, { [label]: null }) };
    found.load(async signal => {
      const [answer, names] = await Promise.all([
        api.timeline(asked, [label], signal),
        api.labels({ ...asked, query: '' }, signal),
      ]);
      const groups = shares(answer.series, [label]).filter(group => group.values[label] !== '');
      const total = groups.reduce((sum, group) => sum + group.total, 0);
      return {
        labels: names.names,
        choices: groups.map(group => ({
          key: group.values[label]!,
          name: group.values[label]!,
          share: total > 0 ? group.total / total : 0,
          shareText: formatShare(group.total, total),
        })),
      };
    });
    return () => found.clear();
  }, [label]);
  const data = found.data.value;
  const labels = [...new Set([label, ...(data?.labels ?? [])])].sort();
  return (
    <>
      <label class="narrow">
        Label{' '}
        <select value={label} onChange={event => setLabel(event.currentTarget.value)}>
          {labels.map(one => (
            <option key={one} value={one}>
              {one}
            </option>
          ))}
        </select>
      </label>
      <Problem error={found.error.value} />
      <ChoiceList
        key={label}
        choices={data?.choices ?? []}
        placeholder={`Find a value of ${label}`}
        loading={found.loading.value}
        empty="No values in this range."
        onChoose={({ key }) => {
          update({ [name]: withLabels(state.value[name], { [label]: key }), zoom: '', span: '' });
          close();
        }}
      />
    </>
  );
}

function Facts({ of, blocks }: { of: ComparedSide; blocks: number | null }) {
  const { stats, instances, seconds, profiles } = of;
  const isMoment = isSnapshot(state.value.type);
  // A sum over snapshots is of nothing: what is shown is the average one.
  const sum = isMoment ? of.sum / Math.max(1, profiles) : of.sum;
  const unit = costUnit.value;
  const scale = measure.value.unit === 'nanoseconds' ? 1e9 : 1;
  const stacks = stacksOf(stats);
  return (
    <div class="facts">
      <span class="fact strong">{formatValue(sum, measure.value.unit)}</span>
      {isMoment && <span class="fact">average of {formatCount(profiles)} snapshots</span>}
      {!isMoment && seconds !== null && seconds > 0 && (
        <span class="fact">
          {formatAmount((sum / scale / seconds) * unit.factor)} {unit.name} an instance
        </span>
      )}
      {instances !== null && (
        <span class="fact">
          {formatCount(instances)} {instances === 1 ? 'instance' : 'instances'}
          {blocks !== null && instances > 0 && (
            <span class="faint" title="Times that are compared with each other, to see how much values vary">
              , {formatCount(blocks)} {blocks === 1 ? 'block' : 'blocks'} of time
            </span>
          )}
        </span>
      )}
      {stats.samples > 0 && <span class="fact">{formatCount(stats.samples)} samples</span>}
      {stacks > 0 && stats.complete < 0.99 * stacks && (
        <span class="fact noted">{formatShare(stats.complete, stacks)} of stacks whole</span>
      )}
      {stats.frames > 0 && stats.named < 0.99 * stats.frames && (
        <span class="fact noted">{formatShare(stats.named, stats.frames)} of frames named</span>
      )}
    </div>
  );
}

function History({ name, axis }: { name: SideName; axis: Range }) {
  const { data, error } = histories[name];
  const side = sides.value?.[name];
  const answer = data.value;
  const list = deploys.data.value;
  if (side === undefined) return null;
  if (error.value !== null)
    return error.value.code === failed.value?.code ? null : <Problem error={error.value} />;
  const drawn =
    answer === null
      ? null
      : stack(answer, '', {
          perMs: measure.value.perMs,
          layers: 1,
          from: answer.from,
          until: answer.until,
          now: now.peek(),
        });
  return (
    <Chart
      data={drawn}
      range={axis}
      lit={side}
      height={HEIGHT}
      colours={[dark.value ? 'oklch(0.55 0.07 250)' : 'oklch(0.74 0.07 250)']}
      title="Drag to choose another range for this side"
      onSelect={({ from, until }) => setRange(name, String(from), String(until))}
    >
      {ofDeploys.value && list !== null && list.service === state.value.service && (
        <DeployMarks answer={list} range={axis} />
      )}
    </Chart>
  );
}

export function SideCard({ name }: { name: SideName }) {
  const answer = compared.data.value?.answer;
  const of = answer?.[name] ?? null;
  const chosen = pair.data.value?.[name === 'left' ? 'base' : 'head'] ?? null;
  const side = sides.value?.[name] ?? null;
  const axis = axes.value?.[name] ?? null;
  const heading = ofDeploys.value ? (name === 'left' ? 'Base' : 'Head') : name === 'left' ? 'Left' : 'Right';
  return (
    <section class={`side ${name}`} aria-label={heading}>
      <div class="side-head">
        <h2>
          <span class="side-role">{heading}</span>
          {ofDeploys.value && chosen !== null && (
            <span class="side-name" title={chosen.deploy}>
              {shortDeploy(chosen.deploy)}
            </span>
          )}
        </h2>
        <When name={name} />
        {side !== null && (
          <button
            type="button"
            class="link"
            title="This side as a profile of its own"
            onClick={() => openProfile(side.query, side)}
          >
            open
          </button>
        )}
      </div>
      {!ofDeploys.value && (
        <div class="side-query">
          <QueryField
            query={state.value[name]}
            label={`Query of the ${name}`}
            placeholder="everything"
            title="Matchers as in Prometheus; Enter applies"
            onApply={query => query !== state.value[name] && update({ [name]: query, zoom: '', span: '' })}
          />
          <Menu
            align={name === 'left' ? 'left' : 'right'}
            label={<span>Narrow</span>}
            title="Narrow this side by the value of a label"
            panel={close => <Narrow name={name} close={close} />}
          />
        </div>
      )}
      {axis !== null && <History name={name} axis={axis} />}
      {of !== null && <Facts of={of} blocks={answer?.statistics.replicates[name].blocks ?? null} />}
      {of?.warnings.map(text => (
        <div key={text} class="warning" role="status">
          {text}
        </div>
      ))}
    </section>
  );
}
