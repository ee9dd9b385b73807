// SPDX-License-Identifier: Apache-2.0

/** What is known of a container. Every source (cgroup path, runtime state, CRI, Docker, kubelet) fills in what it knows. */
export interface ContainerInfo {
  /** Full id, or the name given to `runc run`. */
  id: string;
  runtime: string;
  /** The name a person gave it; '' when only the id is known. */
  name: string;
  pod: string;
  podUid: string;
  namespace: string;
  /** As written in the request for it, e.g. registry/name:tag; '' when not known. */
  image: string;
  /** Labels of the pod or container, for names and versions such as app.kubernetes.io/name. */
  labels: Record<string, string>;
}

/** Someone who can be asked about a container id. Answers only what it knows; null when it does not know the id. */
export interface ContainerSource {
  lookup(id: string): Promise<Partial<ContainerInfo> | null>;
}

/** Who runs in a cgroup. `path` is the cgroup of the container or unit as a whole. */
export type Scope =
  | { kind: 'container'; container: ContainerInfo; path: string }
  | { kind: 'unit'; name: string; path: string }
  | { kind: 'host' };
