// SPDX-License-Identifier: Apache-2.0

/** What comes of asking a Java virtual machine for its perf map. */
export const ATTACH_RESULTS = [
  'ok',
  'unsupported', // the machine does not know the command: before JDK 17
  'disabled', // it does not let itself be asked: -XX:+DisableAttachMechanism; or it is none
  'forbidden', // its /tmp cannot be used by the agent, or something of somebody else is in the way
  'refused', // it hung up, or the command or a system call failed
  'timeout', // it did not listen, or did not answer
  'gone', // it has ended
  'stopped', // the agent has
] as const;
export type AttachResult = (typeof ATTACH_RESULTS)[number];

export class Refusal extends Error {
  constructor(readonly result: Exclude<AttachResult, 'ok'>) {
    super(result);
  }
}
