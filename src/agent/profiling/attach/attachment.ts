// SPDX-License-Identifier: Apache-2.0
// HotSpot's attach protocol, as the JDK's own jcmd speaks it: a socket in the process's /tmp, which the machine opens when
// it is told to by a file and a signal. Everything on the other side belongs to the process and may be anything.
import { close, fstatSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { Socket } from 'node:net';
import { constants as numbers } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectAs, createAs, type Place, placeInRoot } from '#native/descriptors';
import { readStat, readStatus } from '../../procfs/process.js';
import { type AttachResult, Refusal } from './result.js';
import { findDispatcher, isDisabled, sendQuit } from './wake.js';

export interface Machine {
  pid: number;
  /** CLOCK_BOOTTIME nanoseconds in steps of 10 ms, as in ProcessStat. */
  startNs: bigint;
  /** It was sent the signal. Once in its life is enough: what did not listen then would only print its threads. */
  woken: boolean;
}

const LISTEN_MS = 5000;
const LOOK_MS = 50;
const ANSWER_MS = 10_000;
const MAX_ANSWER = 64 * 1024;

/** Protocol version, command, and its three arguments. */
const REQUEST = '1\0jcmd\0Compiler.perfmap\0\0\0';

/** Has the machine write its perf map into its own /tmp. Touches nothing of a process that is not the machine any more. */
export async function requestPerfMap(machine: Machine, stop: AbortSignal): Promise<AttachResult> {
  let tmp: Place | null = null;
  try {
    const status = readStatus(machine.pid);
    tmp = await place(`/proc/${machine.pid}/root`, '/tmp');
    // The folder was opened by the id: it is the machine's if the id was its own after that.
    if (status === null || readStat(machine.pid)?.startNs !== machine.startNs) throw new Refusal('gone');
    if (tmp === null || !tmp.isFolder) throw new Refusal('forbidden');
    const attachment = new Attachment(machine, tmp, status, stop);
    const answer = await attachment.ask();
    if (/^[^0].*\n.*Unknown diagnostic command/.test(answer)) return 'unsupported';
    return answer.startsWith('0\n') && (await attachment.hasMap()) ? 'ok' : 'refused';
  } catch (error) {
    if (error instanceof Refusal) return error.result;
    throw error;
  } finally {
    if (tmp !== null) close(tmp.descriptor, () => {});
  }
}

class Attachment {
  /** The id that the machine has itself: it is part of all names. */
  readonly #own: number;
  readonly #folder: string;

  constructor(
    readonly machine: Machine,
    readonly tmp: Place,
    readonly status: { user: number; group: number; namespacePids: number[] },
    readonly stop: AbortSignal,
  ) {
    this.#own = status.namespacePids.at(-1) ?? machine.pid;
    this.#folder = `/proc/self/fd/${tmp.descriptor}`;
  }

  /** What the machine answers, status first. */
  async ask(): Promise<string> {
    return answerOf((await this.#connect()) ?? (await this.#wake()), this.stop);
  }

  async hasMap(): Promise<boolean> {
    const map = await place(this.#folder, `perf-${this.#own}.map`);
    if (map !== null) close(map.descriptor, () => {});
    return map !== null;
  }

  /** Null when nobody listens. */
  async #connect(): Promise<Socket | null> {
    const found = await place(this.#folder, `.java_pid${this.#own}`);
    if (found === null) return null;
    try {
      // Anybody may put something into /tmp.
      if (!found.isSocket || found.uid !== this.status.user) throw new Refusal('forbidden');
      const { user, group } = this.status;
      const socket = await connectAs(found.descriptor, user, group);
      if (socket >= 0) return new Socket({ fd: socket });
      // Left by a process that has ended.
      if (socket === -numbers.errno.ECONNREFUSED) return null;
      throw new Refusal('refused');
    } finally {
      close(found.descriptor, () => {});
    }
  }

  /** Has the machine listen: it does when it gets a SIGQUIT and finds this file of its own user. */
  async #wake(): Promise<Socket> {
    const { machine, stop } = this;
    if (machine.woken) throw new Refusal('timeout');
    if (await isDisabled(machine.pid)) throw new Refusal('disabled');
    const dispatcher = await findDispatcher(machine.pid);
    const trigger = `.attach_pid${this.#own}`;
    await this.#create(trigger);
    try {
      sendQuit(machine, dispatcher);
      machine.woken = true;
      const until = performance.now() + LISTEN_MS;
      while (performance.now() < until) {
        await sleep(LOOK_MS, undefined, { signal: stop }).catch(() => {
          throw new Refusal('stopped');
        });
        const socket = await this.#connect();
        if (socket !== null) return socket;
      }
      throw new Refusal('timeout');
    } finally {
      await this.#remove(trigger);
    }
  }

  /** Must not be there yet: what is was made by somebody else, who may be attaching right now. */
  async #create(name: string): Promise<void> {
    const { user, group } = this.status;
    const file = await createAs(this.tmp.descriptor, name, user, group);
    if (file < 0) throw new Refusal('forbidden');
    const { uid } = fstatSync(file);
    close(file, () => {});
    if (uid === user) return;
    await this.#remove(name);
    throw new Refusal('forbidden');
  }

  async #remove(name: string): Promise<void> {
    await unlink(`${this.#folder}/${name}`).catch(() => {});
  }
}

/** Null when it is not there. */
async function place(root: string, path: string): Promise<Place | null> {
  const found = await placeInRoot(root, path);
  if (found === -numbers.errno.ENOENT) return null;
  if (typeof found === 'number') throw new Refusal('forbidden');
  return found;
}

function answerOf(socket: Socket, stop: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    const end = (result: Refusal['result'] | null) => {
      clearTimeout(timer);
      stop.removeEventListener('abort', stopped);
      socket.destroy();
      if (result === null) resolve(Buffer.concat(parts).toString('utf8'));
      else reject(new Refusal(result));
    };
    const stopped = () => end('stopped');
    const timer = setTimeout(() => end('timeout'), ANSWER_MS);
    stop.addEventListener('abort', stopped);
    socket.on('data', part => {
      parts.push(part);
      bytes += part.length;
      if (bytes > MAX_ANSWER) end('refused');
    });
    socket.on('end', () => end(null));
    socket.on('error', () => end('refused'));
    socket.write(REQUEST);
    if (stop.aborted) stopped();
  });
}
