// SPDX-License-Identifier: Apache-2.0
// What the application may set, by options or environment, checked once. Written out and not by a schema library: this
// is loaded by other people's services.
import { StackwellError } from '../errors.js';
import { type Environment, identity } from './identity.js';

export interface Logger {
  warn(message: string): void;
}

/** Every option has a default. Environment variables are taken where the option is absent. */
export interface ClientOptions {
  /** Base address of the server; `STACKWELL_SERVER_URL`, else http://127.0.0.1:4040. May have user:password in it. */
  serverUrl?: string | URL | undefined;
  /** `STACKWELL_SERVICE_NAME`, else `OTEL_SERVICE_NAME`, `service.name` of OpenTelemetry, else the script's name. */
  serviceName?: string | undefined;
  /** What runs now: a version or a commit. `STACKWELL_DEPLOY`, else `service.version` of OpenTelemetry, else none. */
  deploy?: string | undefined;
  /** Labels of every profile, beside `service_name`, `deploy`, `host`. */
  labels?: Record<string, string | number> | undefined;
  basicAuth?: { username: string; password: string } | undefined;
  /** Sent as `authorization: Bearer …`; `STACKWELL_TOKEN`. */
  bearerToken?: string | undefined;
  /** Sent as `X-Scope-OrgID`; `STACKWELL_TENANT`. */
  tenant?: string | undefined;
  /** Headers of every push, for a proxy that wants more. */
  headers?: Record<string, string> | undefined;
  /** What `start()` starts; all three when absent. */
  cpu?: boolean | undefined;
  wall?: boolean | undefined;
  heap?: boolean | undefined;
  /** Samples a second, for CPU and wall; 100. */
  hz?: number | undefined;
  /** A heap sample for about so many allocated bytes; 524,288. */
  heapIntervalBytes?: number | undefined;
  /** Frames of a heap sample's stack; 64. */
  heapStackDepth?: number | undefined;
  /** A push covers so many seconds; 15. */
  windowSeconds?: number | undefined;
  /** Frames by their original source: true looks for maps in the folder of the main script, or name folders; true. */
  sourceMaps?: boolean | readonly string[] | undefined;
  /** `trace_id` and `span_id` on samples, where OpenTelemetry is set up; true. */
  traceLabels?: boolean | undefined;
  /** Bytes of profiles that wait while the server does not take them; 8 MiB. The oldest go first. */
  queueBytes?: number | undefined;
  /** Where warnings go; `process.emitWarning` when absent. */
  logger?: Logger | undefined;
}

export interface Settings {
  url: URL;
  headers: Record<string, string>;
  /** Of every profile; with `service_name`. */
  labels: Record<string, string>;
  cpu: boolean;
  wall: boolean;
  heap: boolean;
  hz: number;
  heapIntervalBytes: number;
  heapStackDepth: number;
  windowMs: number;
  /** Folders; empty for none. */
  sourceMaps: string[];
  traceLabels: boolean;
  queueBytes: number;
  logger: Logger | null;
}

const KNOWN: Record<keyof ClientOptions, true> = {
  serverUrl: true,
  serviceName: true,
  deploy: true,
  labels: true,
  basicAuth: true,
  bearerToken: true,
  tenant: true,
  headers: true,
  cpu: true,
  wall: true,
  heap: true,
  hz: true,
  heapIntervalBytes: true,
  heapStackDepth: true,
  windowSeconds: true,
  sourceMaps: true,
  traceLabels: true,
  queueBytes: true,
  logger: true,
};

function invalid(reason: string): StackwellError {
  return new StackwellError('SW_CLIENT_OPTIONS', { reason });
}

function text(name: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || value === '') throw invalid(`${name} must be a text that is not empty`);
  // What becomes a header must not be able to become two.
  if (/[\r\n\0]/.test(value)) throw invalid(`${name} must not have line ends in it`);
  return value;
}

function number(name: string, value: unknown, otherwise: number, least: number, most: number): number {
  if (value === undefined) return otherwise;
  if (typeof value !== 'number' || !(value >= least && value <= most))
    throw invalid(`${name} must be a number from ${least} to ${most}`);
  return value;
}

function flag(name: string, value: unknown): boolean {
  if (value === undefined) return true;
  if (typeof value !== 'boolean') throw invalid(`${name} must be true or false`);
  return value;
}

function serverUrl(value: string | URL): URL {
  let url: URL;
  try {
    url = new URL(value);
  } catch {
    throw invalid('serverUrl is not an address such as http://127.0.0.1:4040');
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw invalid('serverUrl must begin with http:// or https://');
  return url;
}

function authorization(options: ClientOptions, url: URL, env: Environment): string | null {
  const given: unknown = options.basicAuth;
  const { username, password } = (given ?? {}) as { username?: unknown; password?: unknown };
  if (given !== undefined && (typeof username !== 'string' || typeof password !== 'string'))
    throw invalid('basicAuth must have username and password');
  const bearer = text('bearerToken', options.bearerToken);
  if (given !== undefined && bearer !== undefined)
    throw invalid('basicAuth and bearerToken exclude each other');
  if (given !== undefined) return basic(username as string, password as string);
  if (bearer !== undefined) return `Bearer ${bearer}`;
  if (url.username !== '') return basic(decodeURIComponent(url.username), decodeURIComponent(url.password));
  const token = text('STACKWELL_TOKEN', env.STACKWELL_TOKEN || undefined);
  return token === undefined ? null : `Bearer ${token}`;
}

const basic = (username: string, password: string) =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

function headers(options: ClientOptions, url: URL, env: Environment): Record<string, string> {
  const sent: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) throw invalid(`headers: ${JSON.stringify(name)} is not a name`);
    sent[name.toLowerCase()] = text(`headers.${name}`, value) ?? '';
  }
  const tenant =
    text('tenant', options.tenant) ?? text('STACKWELL_TENANT', env.STACKWELL_TENANT || undefined);
  if (tenant !== undefined) sent['x-scope-orgid'] = tenant;
  const authorized = authorization(options, url, env);
  if (authorized !== null) sent.authorization = authorized;
  return sent;
}

function sourceMapFolders(value: unknown, script: string | undefined): string[] {
  if (value === false) return [];
  if (Array.isArray(value) && value.every(folder => typeof folder === 'string' && folder !== ''))
    return value;
  if (value !== undefined && value !== true)
    throw invalid('sourceMaps must be true, false or a list of folders');
  const at = script === undefined ? -1 : Math.max(script.lastIndexOf('/'), script.lastIndexOf('\\'));
  // A script right below the root has the whole disk beside it.
  return at > 0 ? [script!.slice(0, at)] : [];
}

/** @throws SW_CLIENT_OPTIONS */
export function settingsOf(options: ClientOptions, env: Environment, argv: readonly string[]): Settings {
  if (typeof options !== 'object' || options === null) throw invalid('the options must be an object');
  for (const name of Object.keys(options))
    if (!Object.hasOwn(KNOWN, name)) throw invalid(`there is no option ${JSON.stringify(name)}`);
  const { logger } = options;
  if (logger !== undefined && typeof logger?.warn !== 'function')
    throw invalid('logger must have a function warn');
  const url = serverUrl(options.serverUrl ?? (env.STACKWELL_SERVER_URL || 'http://127.0.0.1:4040'));
  const settings: Settings = {
    url,
    headers: headers(options, url, env),
    labels: identity(options, env, argv, invalid),
    cpu: flag('cpu', options.cpu),
    wall: flag('wall', options.wall),
    heap: flag('heap', options.heap),
    hz: number('hz', options.hz, 100, 1, 1000),
    heapIntervalBytes: number('heapIntervalBytes', options.heapIntervalBytes, 512 * 1024, 1024, 2 ** 30),
    heapStackDepth: number('heapStackDepth', options.heapStackDepth, 64, 1, 512),
    windowMs: number('windowSeconds', options.windowSeconds, 15, 1, 600) * 1000,
    sourceMaps: sourceMapFolders(options.sourceMaps, argv[1]),
    traceLabels: flag('traceLabels', options.traceLabels),
    queueBytes: number('queueBytes', options.queueBytes, 8 * 2 ** 20, 64 * 1024, 2 ** 30),
    logger: logger ?? null,
  };
  url.username = '';
  url.password = '';
  return settings;
}
