// SPDX-License-Identifier: Apache-2.0
// Deploys on a timeline: a line where each was seen first, its name above it, more when it is pointed at, and a click that
// compares it with the one before.
import type { Deploy, DeploysAnswer } from '../lib/api.js';
import { formatCount } from '../lib/format.js';
import { formatLocal, formatSpan, type Range } from '../lib/time.js';
import { before, compareDeploys, sinceOf } from '../state/compare-to.js';

/** More lines than that are a hedge; those before are told as a number. */
export const MOST = 24;

/** What began within the range, oldest first: what ran when it was first looked was not deployed then. */
export function marksOf({ deploys, from, step }: DeploysAnswer, range: Range): Deploy[] {
  return deploys
    .filter(({ first }) => first > from + step && first > range.from && first < range.until)
    .sort((a, b) => a.first - b.first);
}

export function DeployMarks({ answer, range }: { answer: DeploysAnswer; range: Range }) {
  const { deploys } = answer;
  const all = marksOf(answer, range);
  const shown = all.slice(-MOST);
  const length = range.until - range.from;
  const part = (ms: number) => ((ms - range.from) / length) * 100;
  return (
    <div class="marks">
      {all.length > shown.length && (
        <span class="marks-more" title="Choose a shorter range to see them">
          {formatCount(all.length - shown.length)} earlier deploys
        </span>
      )}
      {shown.map((deploy, i) => {
        const at = part(deploy.first);
        const until = shown[i + 1] === undefined ? 100 : part(shown[i + 1]!.first);
        const base = before(deploys, deploy);
        return (
          <div
            key={`${deploy.deploy} ${deploy.first}`}
            class={at > 70 ? 'mark late' : 'mark'}
            style={{ left: `${at}%`, width: `${until - at}%` }}
          >
            <button
              type="button"
              class="mark-name"
              disabled={base === null}
              aria-label={
                base === null
                  ? `Deploy ${deploy.deploy}`
                  : `Deploy ${deploy.deploy}: compare with the one before, ${base.deploy}`
              }
              onClick={() =>
                base !== null && compareDeploys(deploy.service, base.deploy, deploy.deploy, sinceOf(range))
              }
            >
              <span>{deploy.deploy}</span>
            </button>
            <div class="mark-card" aria-hidden="true">
              <strong>{deploy.deploy}</strong>
              <span>
                since {formatLocal(deploy.first)}, seen for {formatSpan(deploy.last - deploy.first)}
              </span>
              <span>
                {formatCount(deploy.hosts)} {deploy.hosts === 1 ? 'host' : 'hosts'},{' '}
                {formatCount(deploy.instances)} {deploy.instances === 1 ? 'instance' : 'instances'}
              </span>
              <span class="faint">
                {base === null ? 'None before it is known.' : `Click: compare with ${base.deploy}`}
              </span>
            </div>
          </div>
        );
      })}
    </div>
  );
}
