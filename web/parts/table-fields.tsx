// SPDX-License-Identifier: Apache-2.0
// What tables and the lines above them have in common.
import { formatCount } from '../lib/format.js';
import { state, update } from '../state/address.js';

export function FilterField() {
  return (
    <input
      class="field"
      type="search"
      placeholder="Filter"
      aria-label="Filter functions"
      spellcheck={false}
      autocomplete="off"
      value={state.value.filter}
      onInput={event => update({ filter: event.currentTarget.value }, 'replace')}
    />
  );
}

/** Most nodes that can be asked for. */
const MOST_NODES = 1 << 20;

/** Frames that were folded away, and a way to see more of them. */
export function FoldedFrames({ count }: { count: number }) {
  if (count === 0) return null;
  const { nodes } = state.value;
  return (
    <span class="fact noted">
      {formatCount(count)} small frames folded into “other”{' '}
      {nodes < MOST_NODES && (
        <button type="button" class="link" onClick={() => update({ nodes: Math.min(MOST_NODES, nodes * 4) })}>
          show more
        </button>
      )}
    </span>
  );
}
