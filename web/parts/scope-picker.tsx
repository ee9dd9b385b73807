// SPDX-License-Identifier: Apache-2.0
// Host, service, container, process: one click opens the list, one chooses. Lists have the share of the total beside
// each value where the server can tell it cheaply, which is for labels of profiles.
import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { formatShare } from '../../src/profile/units.js';
import { api } from '../lib/api.js';
import { withLabels } from '../lib/query.js';
import { choose, chosen, SCOPES, type Scope, shortId } from '../lib/scope.js';
import { shares } from '../lib/series.js';
import { selected, state, update, withoutPhase } from '../state/page.js';
import { Resource } from '../state/resource.js';
import { type Choice, ChoiceList } from './choice-list.js';
import { Menu } from './menu.js';
import { Problem } from './problem.js';

const VALUES = 1000;
/** Names of containers by id, for the button once one is chosen. */
const containerNames = signal<Record<string, string>>({});

interface Found {
  choices: (Choice & { label: string; value: string })[];
  /** What of the total has none of these labels, and values that did not fit. */
  note: string;
}

async function findShared(scope: Scope, abort: AbortSignal): Promise<Found> {
  const s = selected.peek()!;
  const query = withLabels(s.query, Object.fromEntries(scope.sets.map(label => [label, null])));
  const answer = await api.timeline({ ...s, query }, scope.labels, abort);
  const groups = shares(answer.series, scope.labels);
  const total = groups.reduce((sum, group) => sum + group.total, 0);
  const label = scope.labels[0]!;
  const now = chosen(s.query, scope);
  const names: Record<string, string> = {};
  const choices = groups
    .filter(group => group.values[label] !== '')
    .map(group => {
      const value = group.values[label]!;
      const name = scope.id === 'container' ? group.values.container || shortId(value) : value;
      if (scope.id === 'container') names[value] = name;
      const detail =
        scope.id === 'container'
          ? [shortId(value), group.values.image].filter(t => t && t !== name).join('  ')
          : '';
      return {
        key: value,
        name,
        ...(detail === '' ? {} : { detail }),
        share: total > 0 ? group.total / total : 0,
        shareText: formatShare(group.total, total),
        chosen: now?.value === value || now?.value === name,
        label,
        value,
      };
    });
  containerNames.value = { ...containerNames.peek(), ...names };
  const without = groups
    .filter(group => group.values[label] === '')
    .reduce((sum, group) => sum + group.total, 0);
  const notes: string[] = [];
  if (without > 0 && choices.length > 0)
    notes.push(`${formatShare(without, total)} is in no ${scope.name.toLowerCase()}`);
  if (answer.omittedSeries > 0) notes.push(`${answer.omittedSeries} more are not listed`);
  return { choices, note: notes.join(' · ') };
}

async function findProcesses(scope: Scope, abort: AbortSignal): Promise<Found> {
  const s = selected.peek()!;
  const cleared = withLabels(withoutPhase(s.query), { pid: null });
  const [names, pids] = await Promise.all([
    api.values('process_name', { ...s, query: withLabels(cleared, { process_name: null }) }, VALUES, abort),
    api.values('pid', { ...s, query: cleared }, VALUES, abort),
  ]);
  const now = chosen(s.query, scope);
  const choices = [
    ...names.values
      .filter(value => value !== '')
      .map(value => ({
        key: `name ${value}`,
        name: value,
        group: 'By name',
        label: 'process_name',
        value,
        chosen: now?.label === 'process_name' && now.value === value,
      })),
    ...pids.values
      .filter(value => value !== '')
      .sort((a, b) => Number(a) - Number(b))
      .map(value => ({
        key: `pid ${value}`,
        name: `pid ${value}`,
        group: now?.label === 'process_name' ? `By process id, of ${now.value}` : 'By process id',
        label: 'pid',
        value,
        chosen: now?.label === 'pid' && now.value === value,
      })),
  ];
  const omitted = names.omitted + pids.omitted;
  return {
    choices,
    note: omitted > 0 ? `${omitted} more are not listed: narrow to a service or container first` : '',
  };
}

function ScopePanel({ scope, close }: { scope: Scope; close: () => void }) {
  const [resource] = useState(() => new Resource<Found>());
  useEffect(() => {
    if (selected.peek() === null) return;
    resource.load(abort =>
      scope.labels.length === 0 ? findProcesses(scope, abort) : findShared(scope, abort),
    );
    return () => resource.clear();
  }, []);
  const now = chosen(state.value.query, scope);
  const found = resource.data.value;
  const error = resource.error.value;
  if (error !== null) return <Problem error={error} />;
  return (
    <ChoiceList
      choices={found?.choices ?? []}
      placeholder={`Find among ${found === null ? '' : `${found.choices.length} `}${scope.plural}`}
      loading={resource.loading.value}
      empty={`No ${scope.plural} in this time range.`}
      onChoose={choice => {
        const { label, value } = choice as Found['choices'][number];
        update({ query: choose(state.value.query, scope, label, value), span: '' });
        close();
      }}
      foot={
        <>
          {found !== null && found.note !== '' && <div class="choices-empty">{found.note}</div>}
          {now !== null && (
            <button
              type="button"
              class="choices-clear"
              onClick={() => {
                update({ query: choose(state.value.query, scope, scope.sets[0]!, null), span: '' });
                close();
              }}
            >
              All {scope.plural}
            </button>
          )}
        </>
      }
    />
  );
}

export function ScopePicker() {
  return (
    <fieldset class="scopes" aria-label="Scope">
      {SCOPES.map(scope => {
        const now = chosen(state.value.query, scope);
        const text =
          now === null
            ? 'all'
            : now.label === 'container_id'
              ? (containerNames.value[now.value] ?? now.text)
              : now.text;
        return (
          <div key={scope.id} class={now === null ? 'scope' : 'scope on'}>
            <Menu
              title={
                now === null ? `Narrow to one ${scope.name.toLowerCase()}` : `${now.label}="${now.value}"`
              }
              label={
                <>
                  <span class="scope-name">{scope.name}</span>
                  <span class="scope-value">{text}</span>
                </>
              }
              panel={close => <ScopePanel scope={scope} close={close} />}
            />
            {now !== null && (
              <button
                type="button"
                class="button clear"
                title={`All ${scope.plural}`}
                aria-label={`All ${scope.plural}`}
                onClick={() =>
                  update({ query: choose(state.value.query, scope, scope.sets[0]!, null), span: '' })
                }
              >
                ×
              </button>
            )}
          </div>
        );
      })}
    </fieldset>
  );
}
