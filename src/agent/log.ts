// SPDX-License-Identifier: Apache-2.0

/** What the agent says while it runs. pino fits. */
export interface Log {
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
  error(fields: Record<string, unknown>, message: string): void;
}

function line(level: string): (fields: Record<string, unknown>, message: string) => void {
  return (fields, message) =>
    process.stderr.write(
      `${JSON.stringify({ time: new Date().toISOString(), level, name: 'agent', message, ...fields })}\n`,
    );
}

/** JSON lines on standard error. */
export const stderrLog: Log = { info: line('info'), warn: line('warn'), error: line('error') };

/** Passes the first message of each key on, then one a minute with the number of those between: a fault that lasts must not fill a disk. */
export function oncePerMinute(
  log: Log['warn'],
): (key: string, fields: Record<string, unknown>, message: string) => void {
  const last = new Map<string, { at: number; held: number }>();
  return (key, fields, message) => {
    const now = performance.now();
    const before = last.get(key);
    if (before !== undefined && now - before.at < 60_000) {
      before.held++;
      return;
    }
    last.set(key, { at: now, held: 0 });
    log(before !== undefined && before.held > 0 ? { ...fields, repeated: before.held } : fields, message);
  };
}
