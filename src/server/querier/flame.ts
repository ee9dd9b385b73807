// SPDX-License-Identifier: Apache-2.0
// The flame graph of a question, or of what is below a call site in it.
import { atCallSite } from '../../profile/call-site.js';
import type { FlameGraph } from '../../profile/flamegraph.js';
import { foldSmall } from '../../profile/fold-small.js';
import type { Context } from '../context.js';
import type { Question } from '../query/question.js';

/** What is below a call site is cut out of a tree with this many nodes at least. */
const CALL_SITE_NODES = 1 << 15;

export async function flameOf(
  { query, config }: Context,
  question: Question,
  nodes: number,
  callSite: string[],
): Promise<{ graph: FlameGraph; warnings: string[] }> {
  const wanted =
    callSite.length === 0 ? nodes : Math.max(nodes, Math.min(CALL_SITE_NODES, config.limits.maxNodes));
  const { graph, warnings } = await query.answer(`flame ${wanted}`, question, [], async merged => ({
    graph: (await merged.merger.flamegraph({ maxNodes: wanted })) as FlameGraph,
    warnings: merged.warnings,
  }));
  if (callSite.length === 0) return { graph, warnings };
  const { sides, ...tree } = atCallSite(graph, [graph], callSite);
  return { graph: foldSmall({ ...graph, ...tree, ...sides[0]! }, nodes), warnings };
}
