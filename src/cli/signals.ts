// SPDX-License-Identifier: Apache-2.0

/**
 * Resolves when the process is asked to stop: SIGINT, SIGTERM, SIGHUP, or the end of the parent that started us with
 * an IPC channel (so that no child outlives a supervisor that was killed). A second signal ends the process at once.
 */
export function stopRequested(): Promise<string> {
  return new Promise(resolve => {
    let asked = false;
    const stop = (why: string) => {
      if (asked && why !== 'disconnect') process.exit(130);
      asked = true;
      resolve(why);
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop(signal));
    if (process.send !== undefined) process.once('disconnect', () => stop('disconnect'));
  });
}
