// SPDX-License-Identifier: Apache-2.0
// Deploys on a timeline: a line where each was seen first, its name above it, more when it is pointed at, and a click that
// compares it with the one before.
import type { Deploy, DeploysAnswer } from '../lib/api.js';
import { formatCount } from '../lib/format.js';
import { marksOf, shortDeploy } from '../lib/marks.js';
import { formatLocal, formatSpan, type Range } from '../lib/time.js';
import { before, compareDeploys, sinceOf } from '../state/compare-to.js';

const many = (n: number, noun: string) => `${formatCount(n)} ${noun}${n === 1 ? '' : 's'}`;
const about = ({ hosts, instances }: Deploy) => `${many(hosts, 'host')}, ${many(instances, 'instance')}`;

export function DeployMarks({ answer, range }: { answer: DeploysAnswer; range: Range }) {
  const { deploys } = answer;
  const { marks: shown, earlier } = marksOf(answer, range);
  const length = range.until - range.from;
  const part = (ms: number) => ((ms - range.from) / length) * 100;
  return (
    <div class="marks">
      {earlier > 0 && (
        <span class="marks-more" title="Choose a shorter range to see them">
          {formatCount(earlier)} earlier deploys
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
              aria-label={`Deploy ${deploy.deploy}: ${base === null ? 'none before it is known' : `compare with the one before, ${base.deploy}`}. Since ${formatLocal(deploy.first)}, ${about(deploy)}`}
              onClick={() =>
                base !== null && compareDeploys(deploy.service, base.deploy, deploy.deploy, sinceOf(range))
              }
            >
              <span>{shortDeploy(deploy.deploy)}</span>
            </button>
            <div class="mark-card" aria-hidden="true">
              <strong>{deploy.deploy}</strong>
              <span>
                since {formatLocal(deploy.first)}, seen for {formatSpan(deploy.last - deploy.first)}
              </span>
              <span>{about(deploy)}</span>
              <span class="faint">
                {base === null
                  ? 'None before it is known.'
                  : `Click: compare with ${shortDeploy(base.deploy)}`}
              </span>
            </div>
          </div>
        );
      })}
    </div>
  );
}
