// SPDX-License-Identifier: Apache-2.0
// Errors of the table as those of Connect, gRPC and gRPC-Web.
import { Code, ConnectError } from '@connectrpc/connect';
import type { StackwellError } from '../../errors.js';
import { retryAfter } from '../errors.js';

const CODES: Record<number, Code> = {
  401: Code.Unauthenticated,
  403: Code.PermissionDenied,
  404: Code.NotFound,
  503: Code.Unavailable,
  507: Code.Unavailable,
};

/** Clients send again on `unavailable` and drop on `invalid_argument`. */
function connectCode({ status }: StackwellError): Code {
  return CODES[status] ?? (status < 500 ? Code.InvalidArgument : Code.Internal);
}

/** The SW_ code starts the message, and is in the header (gRPC: trailer) x-stackwell-error. */
export function connectError(
  error: StackwellError,
  message = `${error.code}: ${error.message}. ${error.fix}`,
): ConnectError {
  const headers: Record<string, string> = { 'x-stackwell-error': error.code };
  const retry = retryAfter(error);
  if (retry !== null) headers['retry-after'] = retry;
  // Half a surrogate pair, which a caller may have sent, cannot be written as UTF-8.
  return new ConnectError(message.replace(/\p{Surrogate}/gu, '\ufffd'), connectCode(error), headers);
}
