// SPDX-License-Identifier: Apache-2.0
// Nothing to show: why, and what to do about it.
import { measureOf } from '../lib/format.js';
import { PRESETS } from '../lib/time.js';
import { everSeen, range, relative, state, types, update } from '../state/page.js';

export function Empty() {
  const seen = everSeen.data.value;
  const { query, type, from, until } = state.value;
  if (range.value === null)
    return (
      <div class="empty">
        <h2>This is no time range</h2>
        <p>
          The address says from <code>{from}</code> until <code>{until}</code>.
        </p>
        <button
          type="button"
          class="button primary"
          onClick={() => update({ from: 'now-15m', until: 'now' })}
        >
          Last 15 minutes
        </button>
      </div>
    );
  if (seen === null) return <div class="empty faint">Looking…</div>;
  if (seen.length === 0)
    return (
      <div class="empty">
        <h2>Waiting for the first profile</h2>
        <p>
          <span class="pulse" /> The first window arrives within 10 seconds of the agent’s start. This page
          looks for it every 2 seconds.
        </p>
        <p class="faint">
          If nothing comes: <code>stackwell doctor</code> says what this machine is missing, and an agent on
          another host is started with <code>stackwell agent --server {location.origin}</code>
        </p>
      </div>
    );
  const here = types.data.value ?? [];
  const wider = PRESETS.filter(preset => preset.from !== from).slice(-2);
  return (
    <div class="empty">
      <h2>No {measureOf(type).name} samples here</h2>
      <p>
        {query === '' ? (
          'Nothing was recorded in this time range.'
        ) : (
          <>
            Nothing in this time range matches <code>{query}</code>
          </>
        )}
      </p>
      <p class="actions">
        {query !== '' && (
          <button type="button" class="button primary" onClick={() => update({ query: '' })}>
            Everything
          </button>
        )}
        {here
          .filter(id => id !== type)
          .slice(0, 3)
          .map(id => (
            <button key={id} type="button" class="button" onClick={() => update({ type: id })}>
              {measureOf(id).name}
            </button>
          ))}
        {(!relative.value || query === '') &&
          wider.map(preset => (
            <button
              key={preset.from}
              type="button"
              class="button"
              onClick={() => update({ from: preset.from, until: 'now' })}
            >
              {preset.name}
            </button>
          ))}
      </p>
    </div>
  );
}
