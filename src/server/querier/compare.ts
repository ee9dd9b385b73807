// SPDX-License-Identifier: Apache-2.0
// Two selections as one flamebearer, or what is below a call site in both.
import { StackwellError } from '../../errors.js';
import { atCallSite } from '../../profile/call-site.js';
import {
  type FlamebearerDiff,
  type FlameDiff,
  toFlamebearerDiff,
} from '../../profile/formats/flamebearer.js';
import type { Context } from '../context.js';
import type { Question } from '../query/question.js';

/** @throws SW_REQUEST_INVALID for sides of two types */
export async function diffOf(
  { query, metrics }: Context,
  left: Question,
  right: Question,
  nodes: number,
  callSite: string[] = [],
): Promise<{ graph: FlamebearerDiff; warnings: string[] }> {
  if (left.type !== right.type)
    throw new StackwellError('SW_REQUEST_INVALID', { reason: 'both sides must have the same profile type' });
  const done = metrics.querySeconds.startTimer({ kind: 'diff' });
  const { diff, warnings } = await query.compare(`querier ${nodes}`, left, right, false, async compared => ({
    diff: (await compared.merger.diff({ maxNodes: nodes })) as FlameDiff,
    warnings: [...compared.left.warnings, ...compared.right.warnings],
  }));
  done();
  if (callSite.length === 0) return { graph: toFlamebearerDiff(diff), warnings };
  const { sides, ...tree } = atCallSite(diff, [diff.left, diff.right], callSite);
  return { graph: toFlamebearerDiff({ ...diff, ...tree, left: sides[0]!, right: sides[1]! }), warnings };
}
