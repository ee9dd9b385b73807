// SPDX-License-Identifier: Apache-2.0
// What is compared: two deploys of a service, or two selections; and how their values are made comparable.
import { useEffect, useState } from 'preact/hooks';
import type { NormalizationKind } from '../../src/profile/statistics/normalization.js';
import { api, type Deploy } from '../lib/api.js';
import { formatCount } from '../lib/format.js';
import { shortDeploy } from '../lib/marks.js';
import { formatLocal, formatSpan } from '../lib/time.js';
import { NORMALIZATIONS } from '../lib/verdict.js';
import { ChoiceList } from '../parts/choice-list.js';
import { Menu } from '../parts/menu.js';
import { Problem } from '../parts/problem.js';
import { Refresh, TimePicker } from '../parts/time-picker.js';
import { Segments } from '../parts/toolbar.js';
import { state, update } from '../state/address.js';
import {
  besides,
  compareDeploysOf,
  compared,
  compareSelections,
  deploys,
  ofDeploys,
  pair,
  rules,
  swapSides,
} from '../state/compare.js';
import { NO_TIMES } from '../state/compare-to.js';
import { Resource } from '../state/resource.js';

const SINCE = [
  { value: 'now-24h', name: 'last 24 hours' },
  { value: 'now-7d', name: 'last 7 days' },
  { value: 'now-30d', name: 'last 30 days' },
  { value: 'now-90d', name: 'last 90 days' },
];

const instances = (n: number) => `${formatCount(n)} ${n === 1 ? 'instance' : 'instances'}`;

function ServicePanel({ close }: { close: () => void }) {
  const [found] = useState(() => new Resource<Deploy[]>());
  useEffect(() => {
    const { type, since, upto } = state.peek();
    found.load(
      async signal => (await api.deploys({ type, from: since, until: upto, limit: 1000 }, signal)).deploys,
    );
    return () => found.clear();
  }, []);
  if (found.error.value !== null) return <Problem error={found.error.value} />;
  const services = new Map<string, Deploy[]>();
  for (const deploy of found.data.value ?? [])
    services.set(deploy.service, [...(services.get(deploy.service) ?? []), deploy]);
  return (
    <ChoiceList
      // Those with something to compare first, the newest deploy first among them.
      choices={[...services]
        .sort((a, b) => Number(b[1].length > 1) - Number(a[1].length > 1))
        .map(([service, list]) => ({
          key: service,
          name: service,
          detail: `newest ${shortDeploy(list[0]!.deploy)}`,
          shareText: `${formatCount(list.length)} ${list.length === 1 ? 'deploy' : 'deploys'}`,
          chosen: service === state.value.service,
        }))}
      placeholder="Find a service"
      loading={found.loading.value}
      empty="No deploys in this time."
      onChoose={({ key }) => {
        update({ service: key, base: '', head: '', ...NO_TIMES, zoom: '', span: '' });
        close();
      }}
    />
  );
}

function DeployMenu({ side }: { side: 'base' | 'head' }) {
  const chosen = state.value[side];
  const used = pair.data.value?.[side].deploy ?? '';
  const name = side === 'base' ? 'Base' : 'Head';
  const list = deploys.data.value;
  const own = side === 'base' ? 'the one before' : 'the newest';
  return (
    <Menu
      class="deploy-menu"
      title={`${name}: ${chosen === '' ? own : chosen}`}
      label={
        <>
          <span class="scope-name">{name}</span>
          <span class="scope-value">{shortDeploy(chosen || used) || own}</span>
        </>
      }
      panel={close => (
        <ChoiceList
          choices={[
            {
              key: '',
              name: side === 'base' ? 'The one before the head' : 'The newest',
              chosen: chosen === '',
            },
            ...(list?.deploys ?? []).map(({ deploy, first, last, instances: n }) => ({
              key: deploy,
              name: deploy,
              detail: `${formatLocal(first).slice(5, 16)}, for ${formatSpan(last - first)}`,
              shareText: instances(n),
              chosen: deploy === chosen,
            })),
          ]}
          placeholder="Find a deploy"
          loading={deploys.loading.value}
          empty="No deploys in this time."
          foot={
            list !== null &&
            list.omitted > 0 && (
              <div class="choices-empty">{formatCount(list.omitted)} older ones are not listed.</div>
            )
          }
          onChoose={({ key }) => {
            // A time of its own was of the other deploy.
            update({ [side]: key, ...NO_TIMES, zoom: '', span: '' });
            close();
          }}
        />
      )}
    />
  );
}

function Deploys() {
  const { service, since } = state.value;
  const also = besides.value;
  return (
    <>
      <Menu
        class="deploy-menu"
        title="The service whose deploys are compared"
        label={
          <>
            <span class="scope-name">Service</span>
            <span class="scope-value">{service || 'choose'}</span>
          </>
        }
        panel={close => <ServicePanel close={close} />}
      />
      {service !== '' && (
        <>
          <DeployMenu side="base" />
          <Swap />
          <DeployMenu side="head" />
        </>
      )}
      <label class="since">
        <span class="caption">seen in the</span>
        <select
          aria-label="When deploys are looked for"
          value={since}
          onChange={event => update({ since: event.currentTarget.value, upto: 'now' })}
        >
          {!SINCE.some(one => one.value === since) && <option value={since}>time of the link</option>}
          {SINCE.map(one => (
            <option key={one.value} value={one.value}>
              {one.name}
            </option>
          ))}
        </select>
      </label>
      {also !== '' && (
        <span class="also">
          <code title="Holds for both deploys">{also}</code>
          <button
            type="button"
            class="link"
            aria-label="Without these matchers"
            onClick={() => update({ query: '' })}
          >
            ×
          </button>
        </span>
      )}
    </>
  );
}

export function Swap() {
  return (
    <button
      type="button"
      class="button swap"
      title="Swap sides"
      aria-label="Swap sides"
      disabled={ofDeploys.value && pair.data.value === null}
      onClick={swapSides}
    >
      ⇄
    </button>
  );
}

function Rules() {
  const off = state.value.without.split(',').filter(one => one !== '');
  const list = rules.value;
  const isOff = (id: string) => off.includes('all') || off.includes(id);
  const used = list.filter(({ id }) => !isOff(id)).length;
  return (
    <Menu
      class="rules"
      align="right"
      title="Rules by which frames of both sides are the same"
      label={
        <span>
          {list.length === 0 ? 'Matching' : `Matching: ${used === list.length ? 'all' : used} rules`}
        </span>
      }
      panel={() => (
        <>
          <p class="hint">
            Frames of both sides are the same by function and file. These rules take away what is the build’s
            and not the program’s.
          </p>
          {list.map(({ id, what, example, becomes }) => (
            <label key={id} class="rule">
              <input
                type="checkbox"
                checked={!isOff(id)}
                onChange={() => {
                  const next = list.filter(rule => (rule.id === id) !== isOff(rule.id)).map(rule => rule.id);
                  update({ without: next.join(','), zoom: '', span: '' });
                }}
              />
              <span>
                {what.charAt(0).toUpperCase() + what.slice(1)}
                <span class="rule-example">
                  <code>{example}</code> is <code>{becomes}</code>
                </span>
              </span>
            </label>
          ))}
          {list.length === 0 && (
            <p class="hint">
              Known once something is compared.{' '}
              {off.length > 0 && (
                <button type="button" class="link" onClick={() => update({ without: '' })}>
                  Use all rules
                </button>
              )}
            </p>
          )}
        </>
      )}
    />
  );
}

function Measured() {
  const { norm, factor } = state.value;
  const [text, setText] = useState(factor);
  useEffect(() => setText(factor), [factor]);
  return (
    <label class="since">
      <span class="caption">measured by</span>
      <select
        aria-label="Normalization"
        title={NORMALIZATIONS.find(({ kind }) => kind === norm)!.title}
        value={norm}
        onChange={event => update({ norm: event.currentTarget.value as NormalizationKind })}
      >
        {NORMALIZATIONS.map(({ kind, name, title }) => (
          <option key={kind} value={kind} title={title}>
            {name}
          </option>
        ))}
      </select>
      {norm === 'factor' && (
        <input
          class="field factor"
          aria-label="Factor of the right"
          inputMode="decimal"
          value={text}
          aria-invalid={!(Number(text) > 0)}
          onInput={event => setText(event.currentTarget.value)}
          onChange={() => Number(text) > 0 && update({ factor: String(Number(text)) })}
        />
      )}
    </label>
  );
}

/** The page's range holds for both selections unless they have one of their own. */
export function CompareTime() {
  if (!ofDeploys.value) return <TimePicker />;
  return <Refresh busy={pair.loading.value || compared.loading.value || deploys.loading.value} />;
}

export function Picking() {
  return (
    <div class="bar second picking">
      <Segments
        of="sides"
        label="What is compared"
        choose={value => (value === 'selections' ? compareSelections() : compareDeploysOf())}
        choices={[
          { value: 'deploys', name: 'Deploys', title: 'Two deploys of a service' },
          { value: 'selections', name: 'Selections', title: 'Any two queries and time ranges' },
        ]}
      />
      {ofDeploys.value ? (
        <Deploys />
      ) : (
        <>
          <Swap />
          <span class="caption">
            Each side has a query; the range above holds for both unless a side has its own
          </span>
        </>
      )}
      <span class="space" />
      <Measured />
      <Rules />
    </div>
  );
}
