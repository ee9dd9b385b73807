// SPDX-License-Identifier: Apache-2.0
// On-CPU and Off-CPU are always there; other types as they are found, in a list once they are many. Off-CPU time has phases.
import { OFF_CPU, ON_CPU, parseType } from '../../src/profile/types.js';
import { measureOf } from '../lib/format.js';
import { equalTo, withLabels } from '../lib/query.js';
import { state, types, update } from '../state/page.js';

const PHASES = [
  { value: null, name: 'all', title: 'All time off the CPU' },
  { value: 'blocked', name: 'blocked', title: 'Waiting for something: a lock, a timer, IO, a message' },
  { value: 'runqueue', name: 'runqueue', title: 'Ready to run, waiting for a CPU' },
  { value: 'preempted', name: 'preempted', title: 'Put aside by the scheduler while it wanted to run' },
] as const;

/** More than this would push the rest of the bar off the screen. */
const MOST_BUTTONS = 4;

/** Types by what their profile is called: the list has a heading for each. */
function byName(ids: string[]): [string, string[]][] {
  const groups = new Map<string, string[]>();
  for (const id of ids) {
    const name = parseType(id)?.name ?? id;
    groups.set(name, [...(groups.get(name) ?? []), id]);
  }
  return [...groups];
}

export function TypePicker() {
  const { type, query, mode, sides } = state.value;
  const found = types.data.value;
  const ids = [...new Set([ON_CPU, OFF_CPU, ...(found ?? []), type])];
  const listed = ids.length > MOST_BUTTONS ? ids.filter(id => id !== ON_CPU && id !== OFF_CPU) : [];
  const phase = equalTo(query, 'phase');
  const choose = (id: string) =>
    update({ type: id, span: '', query: id === OFF_CPU ? query : withLabels(query, { phase: null }) });
  return (
    <>
      <fieldset class="segments" aria-label="Profile type">
        {ids.map(id => {
          if (listed.includes(id)) return null;
          const missing = found !== null && !found.includes(id);
          return (
            <button
              key={id}
              type="button"
              class={missing ? 'missing' : ''}
              title={missing ? `${id}: none in this range` : id}
              aria-pressed={id === type}
              onClick={() => choose(id)}
            >
              {measureOf(id).name}
            </button>
          );
        })}
        {listed.length > 0 && (
          <select
            aria-label="More profile types"
            class={listed.includes(type) ? 'on' : ''}
            title={listed.includes(type) ? type : 'More profile types'}
            value={listed.includes(type) ? type : ''}
            onChange={event => choose(event.currentTarget.value)}
          >
            <option value="" disabled hidden>
              {listed.length} more types
            </option>
            {byName(listed).map(([name, members]) => (
              <optgroup key={name} label={name.replace(/_/g, ' ')}>
                {members.map(id => (
                  <option key={id} value={id}>
                    {measureOf(id).name}
                  </option>
                ))}
              </optgroup>
            ))}
          </select>
        )}
      </fieldset>
      {type === OFF_CPU && !(mode === 'compare' && sides === 'selections') && (
        <fieldset class="segments minor" aria-label="Phase of off-CPU time">
          {PHASES.map(p => (
            <button
              key={p.name}
              type="button"
              title={p.title}
              aria-pressed={phase === p.value}
              onClick={() => update({ query: withLabels(query, { phase: p.value }), span: '' })}
            >
              {p.name}
            </button>
          ))}
        </fieldset>
      )}
    </>
  );
}
