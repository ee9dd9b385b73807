// SPDX-License-Identifier: Apache-2.0
// What Node.js cannot do with file descriptors: hand them to the sandboxed symbolizer, open a path inside another
// process's root without being led out of it by a symbolic link, and hold a process so that its id is not reused.

/** AF_UNIX SOCK_SEQPACKET pair, close-on-exec. The child's end is given to spawn() in `stdio`. Throws with the errno's name as `code`. */
export function socketPair(): [ours: number, theirs: number];

/** Sends one descriptor with a 32-bit id. Never blocks: false when the socket is full (try again later). Throws when the peer is gone. */
export function sendDescriptor(socket: number, id: number, descriptor: number): boolean;

/** A regular file that was opened for reading, and what it was at that moment. */
export interface Opened {
  /** Close-on-exec; the caller closes it. */
  descriptor: number;
  /** Bytes. */
  size: number;
  device: bigint;
  inode: bigint;
  /** Last change of content, nanoseconds since 1970. */
  modifiedNs: bigint;
  uid: number;
}

/**
 * Opens a regular file for reading with openat2(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS) below `root` (a path such as
 * /proc/PID/root). Refuses everything that is not a regular file (-EACCES), without the side effects that opening a
 * device or a pipe has. Resolves to the file or a negative errno. Runs on the thread pool: the file system may be a
 * slow one.
 */
export function openInRoot(root: string, path: string): Promise<Opened | number>;

/** A place in a file system, nothing of which is open. */
export interface Place {
  /** O_PATH, close-on-exec; the caller closes it. `/proc/self/fd/NUMBER` is the place in a path. */
  descriptor: number;
  uid: number;
  isFolder: boolean;
  isSocket: boolean;
}

/** Finds a place of any kind as openInRoot does. Resolves to it or a negative errno. */
export function placeInRoot(root: string, path: string): Promise<Place | number>;

/**
 * Connects to a listening stream socket of placeInRoot, on the thread pool. The other side is told these effective ids, if
 * this process may have them: what runs in a user namespace of its own does not know this one's. Resolves to a
 * descriptor (non-blocking, close-on-exec) or a negative errno.
 */
export function connectAs(place: number, user: number, group: number): Promise<number>;

/**
 * Makes a new file in a folder of placeInRoot, with these effective ids as above and nothing in its way (O_EXCL,
 * O_NOFOLLOW). Resolves to a descriptor to write it or a negative errno.
 */
export function createAs(folder: number, name: string, user: number, group: number): Promise<number>;

/** Opens /proc/PID/map_files/START-END for reading, in the same way. Needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE. */
export function openMapped(pid: number, start: bigint, end: bigint): Promise<Opened | number>;

/** An unnamed file in memory with this content; a descriptor. For what has no file of its own: the vDSO. */
export function memoryFile(name: string, content: Uint8Array): number;

/**
 * A process as a descriptor (pidfd): it never stands for another one that got its id. The caller closes it. Throws with
 * the errno's name as `code`.
 */
export function openProcess(pid: number): number;

/** Sends a signal to a process of openProcess. Throws with the errno's name as `code`, ESRCH when it has ended. */
export function signalProcess(process: number, signal: number): void;
