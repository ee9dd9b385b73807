// SPDX-License-Identifier: Apache-2.0
// On-CPU and Off-CPU are always there; other types as they are found. Off-CPU time has phases.
import { OFF_CPU, ON_CPU } from '../../src/profile/types.js';
import { measureOf } from '../lib/format.js';
import { equalTo, withLabels } from '../lib/query.js';
import { state, types, update } from '../state/page.js';

const PHASES = [
  { value: null, name: 'all', title: 'All time off the CPU' },
  { value: 'blocked', name: 'blocked', title: 'Waiting for something: a lock, a timer, IO, a message' },
  { value: 'runqueue', name: 'runqueue', title: 'Ready to run, waiting for a CPU' },
  { value: 'preempted', name: 'preempted', title: 'Put aside by the scheduler while it wanted to run' },
] as const;

export function TypePicker() {
  const { type, query, mode, sides } = state.value;
  const found = types.data.value;
  const ids = [...new Set([ON_CPU, OFF_CPU, ...(found ?? []), type])];
  const phase = equalTo(query, 'phase');
  const choose = (id: string) =>
    update({ type: id, span: '', query: id === OFF_CPU ? query : withLabels(query, { phase: null }) });
  return (
    <>
      <fieldset class="segments" aria-label="Profile type">
        {ids.map(id => {
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
