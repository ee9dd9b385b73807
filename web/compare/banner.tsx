// SPDX-License-Identifier: Apache-2.0
// The verdict in plain words, and what it rests on.
import { shortName } from '../flame/label.js';
import { formatCount } from '../lib/format.js';
import { normalizationSentence, verdictSentences, workSentence } from '../lib/verdict.js';
import { FoldedFrames } from '../parts/table-fields.js';
import { state } from '../state/address.js';
import { compared, costUnit, ofDeploys, pair, ranking } from '../state/compare.js';

const SIGNS = { bad: '▲', good: '▼', none: '=', unknown: '?' } as const;

export function Banner() {
  const found = ranking.value;
  const answer = compared.data.value?.answer;
  if (found === null || answer === undefined) return null;
  const sentences = verdictSentences(found, costUnit.value, shortName);
  const work = workSentence(found.work);
  const deploysAnswer = ofDeploys.value ? pair.data.value : null;
  const { statistics, normalization } = answer;
  const warnings = [...new Set(deploysAnswer?.warnings ?? [])];
  const tested = statistics.self.q.length;
  return (
    <>
      <section class={`verdict tone-${sentences[0]!.tone}`} aria-label="Verdict">
        {sentences.map(({ tone, text, more }) => (
          <p key={tone} class={`sentence tone-${tone}`}>
            <span class="sign" aria-hidden="true">
              {SIGNS[tone]}
            </span>
            {text}
            {more > 0 && (
              <span class="faint">
                {' '}
                and {formatCount(more)} more {tone === 'bad' ? 'dearer' : 'cheaper'}
              </span>
            )}
          </p>
        ))}
        <p class="basis">
          {work !== null && <span class="fact">{work}</span>}
          {deploysAnswer !== null && (
            <span class="fact">
              {deploysAnswer.concurrent ? 'both ran at the same time' : 'one ran after the other'}
            </span>
          )}
          <span class={normalization.kind === state.value.norm ? 'fact' : 'fact noted'}>
            {normalizationSentence(normalization.kind, state.value.norm)}
          </span>
          <span class="fact">
            {formatCount(tested)} functions tested
            {statistics.untested > 0 && `, ${formatCount(statistics.untested)} too small`}
          </span>
          <FoldedFrames count={answer.omittedNodes} />
        </p>
      </section>
      {warnings.map(text => (
        <div key={text} class="warning" role="status">
          {text}
        </div>
      ))}
    </>
  );
}
