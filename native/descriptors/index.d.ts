// SPDX-License-Identifier: Apache-2.0
// What Node.js cannot do with file descriptors: hand them to the sandboxed symbolizer, and open a path inside
// another process's root without being led out of it by a symbolic link.

/** AF_UNIX SOCK_SEQPACKET pair, close-on-exec. The child's end is given to spawn() in `stdio`. */
export function socketPair(): [ours: number, theirs: number];

/** Sends one descriptor with a 32-bit id. Never blocks: false when the socket is full (try again later). Throws when the peer is gone. */
export function sendDescriptor(socket: number, id: number, descriptor: number): boolean;

/**
 * Opens a regular file for reading with openat2(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS) below `root` (an O_PATH
 * descriptor or path such as /proc/PID/root). Refuses everything that is not a regular file. Returns the descriptor, or
 * a negative errno.
 */
export function openInRoot(root: string, path: string): number;

/** Opens /proc/PID/map_files/START-END for reading; a descriptor, or a negative errno. */
export function openMapped(pid: number, start: bigint, end: bigint): number;
