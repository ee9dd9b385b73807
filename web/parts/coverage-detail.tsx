// SPDX-License-Identifier: Apache-2.0
// Two shares in a line: stacks that are whole, frames that have a name. Behind them, every other way in which stacks
// ended and every reason for which frames have no name, each with a sentence.
import { type Coverage, ranked, stacksOf } from '../../src/profile/coverage.js';
import { causeName, endText, reasonText } from '../../src/profile/reasons.js';
import { formatShare } from '../../src/profile/units.js';
import { formatCount } from '../lib/format.js';
import { Menu } from './menu.js';

interface Part {
  title: string;
  meaning: string;
  good: number;
  /** 0 where nobody told. */
  whole: number;
  /** What `good` is in the line: `of stacks whole`. */
  share: string;
  causes: [cause: string, count: number][];
  explain: (cause: string) => string;
}

function partsOf(stats: Coverage): Part[] {
  return [
    {
      title: 'Stacks',
      meaning:
        'A stack is whole when it leads from the running function to the one in which its thread began.',
      good: stats.complete,
      whole: stacksOf(stats),
      share: 'of stacks whole',
      causes: ranked(stats.incomplete),
      explain: endText,
    },
    {
      title: 'Frames',
      meaning: `A frame is named when its address led to the name of a function.${
        stats.perfmap > 0
          ? ` ${formatShare(stats.perfmap, stats.frames)} of frames are named by perf maps that Java was asked for: without lines and inlined calls.`
          : ''
      }`,
      good: stats.named,
      whole: stats.frames,
      share: 'of frames named',
      causes: ranked(stats.unresolved),
      explain: reasonText,
    },
  ].filter(({ whole }) => whole > 0);
}

/** Some part of a busy host is always missing; less than this asks for a look. */
const ENOUGH = 0.99;

function Summary({ part: { good, whole, share } }: { part: Part }) {
  return (
    <span class={good < ENOUGH * whole ? 'fact noted' : 'fact'}>
      {formatShare(good, whole)} {share}
    </span>
  );
}

function Detail({ part: { title, meaning, good, whole, share, causes, explain } }: { part: Part }) {
  return (
    <section>
      <h3>{title}</h3>
      <p>
        {meaning} Here {formatCount(good)} of {formatCount(whole)} are
        {causes.length > 0 ? '; the others:' : '.'}
      </p>
      <dl aria-label={`${title}: ${share}`}>
        {causes.map(([cause, count]) => (
          <div key={cause} class="cause">
            <dt>{causeName(cause)}</dt>
            <dd class="share">{formatShare(count, whole)}</dd>
            <dd>{explain(cause)}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

export function CoverageDetail({ stats }: { stats: Coverage }) {
  const parts = partsOf(stats);
  // Profiles of other writers tell neither.
  if (parts.length === 0) return null;
  return (
    <Menu
      class="coverage-detail"
      title="What is missing, and why"
      label={parts.map(part => <Summary key={part.title} part={part} />)}
      panel={() => parts.map(part => <Detail key={part.title} part={part} />)}
    />
  );
}
