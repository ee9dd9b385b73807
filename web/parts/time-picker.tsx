// SPDX-License-Identifier: Apache-2.0
import { useState } from 'preact/hooks';
import { describeRange, formatLocal, PRESETS, parseTime, resolveRange } from '../lib/time.js';
import { flame, range, refresh, relative, state, timeline, update } from '../state/page.js';
import { Menu } from './menu.js';

interface Ends {
  from: string;
  until: string;
}

/**
 * @param presets offered beside two fields for times of one's own
 * @param written what the fields begin with, if not what is chosen
 */
export function RangePanel(props: {
  from: string;
  until: string;
  written?: Ends;
  presets: (Ends & { name: string })[];
  onChoose: (ends: Ends) => void;
}) {
  const { from, until, presets, onChoose } = props;
  // A fixed range is shown as a person writes it, a relative one as it is.
  const asWritten = (text: string) => (/^\d+$/.test(text) ? formatLocal(Number(text)) : text);
  const [a, setA] = useState(asWritten(props.written?.from ?? from));
  const [b, setB] = useState(asWritten(props.written?.until ?? until));
  const [problem, setProblem] = useState('');
  const apply = () => {
    const clock = Date.now();
    // Local time becomes a moment: another person's zone must not change what a link shows.
    const fixed = (text: string) =>
      text.trim().startsWith('now') ? text.trim() : String(parseTime(text, clock) ?? text);
    if (parseTime(a, clock) === null) return setProblem(`“${a}” is no time.`);
    if (parseTime(b, clock) === null) return setProblem(`“${b}” is no time.`);
    if (resolveRange(fixed(a), fixed(b), clock) === null) return setProblem('From must be before until.');
    onChoose({ from: fixed(a), until: fixed(b) });
  };
  return (
    <div class="range">
      <div class="presets">
        {presets.map(preset => (
          <button
            key={preset.name}
            type="button"
            class="choice"
            aria-pressed={until === preset.until && from === preset.from}
            onClick={() => onChoose(preset)}
          >
            {preset.name}
          </button>
        ))}
      </div>
      <form
        onSubmit={event => {
          event.preventDefault();
          apply();
        }}
      >
        <label>
          From
          <input
            class="field"
            value={a}
            spellcheck={false}
            onInput={event => setA(event.currentTarget.value)}
          />
        </label>
        <label>
          Until
          <input
            class="field"
            value={b}
            spellcheck={false}
            onInput={event => setB(event.currentTarget.value)}
          />
        </label>
        <p class="hint">
          {problem === '' ? (
            'now-90m, 2026-11-23 14:05, RFC 3339 or Unix ms'
          ) : (
            <span class="bad">{problem}</span>
          )}
        </p>
        <button type="submit" class="button primary">
          Apply
        </button>
      </form>
    </div>
  );
}

/** Moves a range by a part of its length, or widens it around its middle. */
function shift(by: number, widen: number): void {
  const r = range.value;
  if (r === null) return;
  const length = r.until - r.from;
  const from = r.from + length * (by - widen / 2);
  const until = Math.min(r.until + length * (by + widen / 2), Math.ceil(Date.now() / 10_000) * 10_000);
  update({
    from: String(Math.round(from)),
    until: String(Math.round(Math.max(until, from + 10_000))),
    span: '',
  });
}

export function Refresh({ busy }: { busy: boolean }) {
  return (
    <button
      type="button"
      class={busy ? 'button refresh busy' : 'button refresh'}
      title="Ask again now"
      aria-label="Refresh"
      onClick={refresh}
    >
      <svg viewBox="0 0 16 16" aria-hidden="true">
        <path d="M13 8a5 5 0 1 1-1.6-3.7M13 1.8v3h-3" />
      </svg>
    </button>
  );
}

const ENDING_NOW = PRESETS.map(({ from, name }) => ({ from, until: 'now', name }));

export function TimePicker() {
  const { from, until, live, mode } = state.value;
  const r = range.value;
  const busy = flame.loading.value || timeline.loading.value;
  return (
    <div class="times">
      <button type="button" class="button" title="Half a range earlier" onClick={() => shift(-0.5, 0)}>
        ‹
      </button>
      <Menu
        align="right"
        title={r === null ? 'This range is not valid' : `${formatLocal(r.from)} – ${formatLocal(r.until)}`}
        label={<span>{r === null ? 'Choose a time range' : describeRange(from, until, r)}</span>}
        panel={close => (
          <RangePanel
            from={from}
            until={until}
            presets={ENDING_NOW}
            onChoose={ends => {
              update({ from: ends.from, until: ends.until, span: '' });
              close();
            }}
          />
        )}
      />
      <button
        type="button"
        class="button"
        title="Half a range later"
        disabled={relative.value}
        onClick={() => shift(0.5, 0)}
      >
        ›
      </button>
      <button type="button" class="button" title="Twice the range" onClick={() => shift(0, 1)}>
        −
      </button>
      <Refresh busy={busy} />
      {mode === 'profile' && (
        <button
          type="button"
          class="button live"
          title="Ask again every 10 seconds"
          disabled={!relative.value}
          aria-pressed={live && relative.value}
          onClick={() => update({ live: !live }, 'replace')}
        >
          <span class="dot" />
          Live
        </button>
      )}
    </div>
  );
}
