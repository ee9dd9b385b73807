// SPDX-License-Identifier: Apache-2.0
// Parts that the answers to merged questions share.
import type { Merged } from '../query/merge.js';
import type { Stats } from '../query/quality.js';
import type { Question } from '../query/question.js';

export interface MergedAnswer {
  type: string;
  unit: string;
  from: number;
  until: number;
  profiles: number;
  limited: boolean;
  warnings: string[];
  stats: Stats;
}

export function mergedAnswer({ question, profiles, limited, warnings, stats }: Merged): MergedAnswer {
  const { from, until } = question.selection;
  return { type: question.type, unit: question.unit, from, until, profiles, limited, warnings, stats };
}

/** 'checkout process_cpu' where one service is asked for. */
export function title({ selection, type }: Question): string {
  const service = selection.matchers.find(({ name, op }) => name === 'service_name' && op === '=')?.value;
  return `${service ?? 'all'} ${type.split(':', 1)[0]}`;
}

/** A file name that no system takes amiss, whatever was asked for. */
export function download(question: Question, ending: string, disposition: 'attachment' | 'inline'): string {
  const time = new Date(question.selection.from).toISOString().replace(/[-:]|\.\d+/g, '');
  const name = `stackwell-${title(question)}-${time}`.replace(/[^a-zA-Z0-9._-]+/g, '-').slice(0, 150);
  return `${disposition}; filename="${name}.${ending}"`;
}

/** Formats that have no place for warnings carry them beside the body. */
export function warnInHeaders(
  reply: { header(name: string, value: string): unknown },
  warnings: string[],
): void {
  if (warnings.length > 0)
    reply.header('x-stackwell-warnings', JSON.stringify(warnings).replace(/[^\x20-\x7e]/g, '?'));
}
