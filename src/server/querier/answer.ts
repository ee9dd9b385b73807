// SPDX-License-Identifier: Apache-2.0
import type { HandlerContext } from '@connectrpc/connect';

const MAX_HEADER = 4096;

/** Messages of querier.v1 have no place for them. */
export function warn({ responseHeader }: HandlerContext, warnings: string[]): void {
  if (warnings.length > 0)
    responseHeader.set(
      'x-stackwell-warnings',
      JSON.stringify(warnings)
        .replace(/[^\x20-\x7e]/g, '?')
        .slice(0, MAX_HEADER),
    );
}
