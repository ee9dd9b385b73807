// SPDX-License-Identifier: Apache-2.0
// What a cgroup path says about who runs in it. Pure: tables of the shapes that runtimes and systemd give to paths.

export type Owner =
  /** `path` is the cgroup of the container itself, which may have others below it. */
  | { kind: 'container'; id: string; runtime: string; podUid: string; path: string }
  | { kind: 'unit'; name: string; path: string }
  | { kind: 'host' };

/** Shapes of one path segment, with the container id in group 1. */
const CONTAINER_SEGMENTS: [runtime: string, shape: RegExp][] = [
  ['docker', /^docker-([0-9a-f]{64})\.scope$/],
  ['containerd', /^cri-containerd-([0-9a-f]{64})\.scope$/],
  ['containerd', /^[^:]+:cri-containerd:([0-9a-f]{64})$/],
  ['cri-o', /^crio-([0-9a-f]{64})(?:\.scope)?$/],
  ['podman', /^libpod-([0-9a-f]{64})(?:\.scope)?$/],
  ['ecs', /^([0-9a-f]{32}-\d{10})$/],
  ['', /^([0-9a-f]{64})$/],
];

/** `pod1234…` below kubepods, or `kubepods-burstable-pod1234_….slice` with the systemd driver. */
const POD_SEGMENT = /^(?:kubepods[a-z-]*-)?pod([0-9a-f]{8}[-_][0-9a-f_-]{27}|[0-9a-f]{32})(?:\.slice)?$/;

const UNIT_SEGMENT = /^(.+)\.service$/;

/** systemd writes bytes that a unit name may not hold as \xNN. */
function unescapeUnit(name: string): string {
  return name.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/**
 * The innermost container or unit on the path. `known` gives containers that a runtime's own records place at a path
 * which says nothing by itself, such as /myid of a plain `runc run myid`.
 */
export function recognize(path: string, known: ReadonlyMap<string, { id: string; runtime: string }>): Owner {
  const segments = path.split('/');
  let unit: Owner | null = null;
  for (let i = segments.length - 1; i > 0; i--) {
    const segment = segments[i]!;
    const own = segments.slice(0, i + 1).join('/');
    const recorded = known.get(own);
    const podUid = () => {
      for (let j = i - 1; j > 0; j--) {
        const uid = POD_SEGMENT.exec(segments[j]!)?.[1];
        if (uid !== undefined) return uid.replaceAll('_', '-');
      }
      return '';
    };
    for (const [runtime, shape] of CONTAINER_SEGMENTS) {
      const id = shape.exec(segment)?.[1];
      if (id !== undefined)
        return {
          kind: 'container',
          id,
          runtime: runtime || recorded?.runtime || runtimeOf(segments[i - 1] ?? ''),
          podUid: podUid(),
          path: own,
        };
    }
    if (recorded !== undefined) return { kind: 'container', ...recorded, podUid: podUid(), path: own };
    const name = UNIT_SEGMENT.exec(segment)?.[1];
    // user@1000.service is the user's own systemd, not a service: what it started is told apart by program.
    if (unit === null && name !== undefined && !/^user@\d+$/.test(name))
      unit = { kind: 'unit', name: unescapeUnit(name), path: own };
  }
  return unit ?? { kind: 'host' };
}

/** Which runtime made a bare 64-hex directory: its parent says so, or is a pod. */
function runtimeOf(parent: string): string {
  if (parent === 'docker') return 'docker';
  return POD_SEGMENT.test(parent) ? 'kubernetes' : 'unknown';
}
