// SPDX-License-Identifier: Apache-2.0
// Every way in which a user's request, input or machine can be at fault: one table. docs/errors.md is made from it.

interface ErrorSpec {
  /** HTTP status where it reaches a client. */
  status: number;
  /** What happened; `{name}` is filled in from the details. */
  message: string;
  /** What to do. */
  fix: string;
}

export const ERRORS = {
  SW_NOT_ROOT: {
    status: 500,
    message: 'the agent needs root or CAP_BPF and CAP_PERFMON: {missing}',
    fix: 'Run it with sudo, or give it the capabilities that `stackwell doctor` lists.',
  },
  SW_NO_BTF: {
    status: 500,
    message: 'this kernel has no BTF at {path}',
    fix: 'Use a kernel built with CONFIG_DEBUG_INFO_BTF=y (every current distribution kernel is).',
  },
  SW_KERNEL_TOO_OLD: {
    status: 500,
    message: 'kernel {found} is older than {needed}',
    fix: 'Upgrade the kernel; docs/kernels.md says what each version gives.',
  },
  SW_BPF_LOAD: {
    status: 500,
    message: 'the kernel refused the BPF program {program}: {reason}',
    fix: 'Run `stackwell doctor`; if all is well there, report the message with the kernel version.',
  },
  SW_PROFILER_CLOSED: {
    status: 500,
    message: 'the profiler is closed',
    fix: 'Create another one.',
  },
  SW_NATIVE_MISSING: {
    status: 500,
    message: 'the native part {name} is not built: {reason}',
    fix: 'Run script/build in the checkout, or reinstall the package.',
  },
  SW_PID_UNKNOWN: {
    status: 404,
    message: 'there is no process {pid}',
    fix: 'Check the process id: `ps -p {pid}`.',
  },
  SW_CONTAINER_UNKNOWN: {
    status: 404,
    message: 'there is no running container {id}',
    fix: 'Give the full container id, or at least 12 characters of it, of a container that runs on this host.',
  },
  SW_NO_CGROUPS: {
    status: 500,
    message: 'no cgroup file system is mounted',
    fix: 'Mount one (cgroup2 at /sys/fs/cgroup on most hosts), or hand it to the container that the agent runs in.',
  },
  SW_COLLECTOR_UNAVAILABLE: {
    status: 500,
    message: 'a collector cannot work on this host: {reason}',
    fix: 'Others go on. Switch it off (agent.metrics.NAME.enabled: false), or use a kernel that has what it needs.',
  },
  SW_PORT_TAKEN: {
    status: 500,
    message: 'cannot listen on {address}: {reason}',
    fix: 'Stop what listens there, or choose another address with --listen.',
  },
  SW_DATA_DIR: {
    status: 500,
    message: 'cannot use the data folder {path}: {reason}',
    fix: 'Make it writable for the user that runs stackwell, or choose another one with --data.',
  },
  SW_DISK_FULL: {
    status: 507,
    message: 'no space left to store: {path}',
    fix: 'Free disk space or lower the retention; agents keep what they could not send.',
  },
  SW_STORE_UNAVAILABLE: {
    status: 503,
    message: 'the store does not answer: {reason}',
    fix: 'Check that the store runs and can be reached. Nothing of the request was acknowledged: send it again after the time in Retry-After.',
  },
  SW_ELASTICSEARCH_AUTH: {
    status: 503,
    message: 'Elasticsearch refuses this server: {reason}',
    fix: 'Check server.elasticsearch: username and password, or apiKey, and what they may do (docs/elasticsearch.md).',
  },
  SW_ELASTICSEARCH_VERSION: {
    status: 500,
    message: 'Elasticsearch {found} is not a version that Stackwell knows',
    fix: 'Use Elasticsearch 8 or 9.',
  },
  SW_SERVER_BUSY: {
    status: 503,
    message: 'too much is in flight: {what}',
    fix: 'Send it again after the time in Retry-After.',
  },
  SW_PPROF_INVALID: {
    status: 422,
    message: 'this is not a valid pprof profile: {reason}',
    fix: 'Send profile.proto, plain or gzipped, as `go tool pprof` reads it.',
  },
  SW_OTLP_INVALID: {
    status: 400,
    message: 'this is not a valid OTLP profiles request: {reason}',
    fix: 'Send ExportProfilesServiceRequest of opentelemetry-proto 1.10 or later (docs/otlp.md says which senders do).',
  },
  SW_STACKS_INVALID: {
    status: 422,
    message: 'these are not valid stacks ({format}): {reason}',
    fix: 'docs/ingest.md says what each format is. Nothing of the request was stored.',
  },
  SW_PPROF_LIMIT: {
    status: 413,
    message: 'the profile is over a limit: {limit} is {value}, at most {max}',
    fix: 'Send shorter windows, or raise the limit in the server configuration.',
  },
  SW_BODY_TOO_LARGE: {
    status: 413,
    message: 'the request body is over {max} bytes',
    fix: 'Send smaller requests, or raise `limits.bodyBytes` in the server configuration.',
  },
  SW_REQUEST_INVALID: {
    status: 400,
    message: 'the request is not valid: {reason}',
    fix: 'See /openapi.json for what this endpoint takes.',
  },
  SW_UNSUPPORTED_FORMAT: {
    status: 415,
    message: 'the format {format} is not supported',
    fix: 'Send pprof, or a format that docs/ingest.md lists. JFR: convert it first, e.g. with jfrconv of async-profiler (jfrconv -o pprof).',
  },
  SW_QUERY_INVALID: {
    status: 400,
    message: 'the query is not valid: {reason}',
    fix: 'Write matchers as in Prometheus: {service_name="checkout", pid=~"12|13"}.',
  },
  SW_TIME_INVALID: {
    status: 400,
    message: 'the time {value} is not valid: {reason}',
    fix: 'Use RFC 3339, Unix milliseconds, or relative times such as now-15m; from must be before until.',
  },
  SW_NOT_FOUND: {
    status: 404,
    message: 'there is nothing at {path}',
    fix: 'See /openapi.json for the endpoints.',
  },
  SW_DEPLOY_UNKNOWN: {
    status: 404,
    message: 'the deploys of {service} cannot be compared: {reason}',
    fix: '`stackwell deploys SERVICE` (GET /api/v1/deploys) lists what was seen in a range; give another range with from and until.',
  },
  SW_METHOD_NOT_ALLOWED: {
    status: 405,
    message: '{path} does not take {method}',
    fix: 'The header Allow says what it takes.',
  },
  SW_REQUEST_HEAD_TOO_LARGE: {
    status: 431,
    message: 'address and headers of the request are larger than {max} bytes',
    fix: 'Shorten the query; a regular expression may say the same as many values.',
  },
  SW_REQUEST_TIMEOUT: {
    status: 408,
    message: 'the request did not arrive whole within {seconds} s',
    fix: 'Send it again, faster; large bodies may be compressed.',
  },
  SW_STORE_DAMAGED: {
    status: 500,
    message: 'the store at {path} is damaged: {reason}',
    fix: 'Stop the server, move the data folder away or restore it from a backup, and start again.',
  },
  SW_SEGMENT_UNKNOWN: {
    status: 503,
    message: 'a profile names a symbol segment that the store does not have: {id}',
    fix: 'Send it again after the time in Retry-After; its symbols are written anew.',
  },
  SW_LISTEN_REMOTE: {
    status: 500,
    message: 'refusing to listen on {address}: whoever reaches it can read and write all profiles',
    fix: 'Listen on 127.0.0.1 behind a proxy that checks who asks, or set server.allowRemote: true on a trusted network.',
  },
  SW_HOST_UNKNOWN: {
    status: 421,
    message: 'this server is not asked under the name {host}',
    fix: 'Use 127.0.0.1 or localhost, or add the name to server.hosts (a proxy in front of the server, for example).',
  },
  SW_TENANT_UNKNOWN: {
    status: 401,
    message: 'a tenant is needed in the header X-Scope-OrgID: {reason}',
    fix: 'Send X-Scope-OrgID: NAME (letters, digits, dots, dashes), or set server.tenants: false where there is only one.',
  },
  SW_CROSS_SITE: {
    status: 403,
    message: 'a page of another site may not write here',
    fix: 'Send it from a program, or from the page that this server serves.',
  },
  SW_SEGMENT_DAMAGED: {
    status: 500,
    message: 'a symbol segment in the store is damaged: {id}',
    fix: 'The rest of the answer is given with a warning; restore the data folder from a backup if it matters.',
  },
  SW_DEBUGINFO_INVALID: {
    status: 422,
    message: 'this cannot be used as debug information: {reason}',
    fix: 'Send an ELF file with symbols: the program or library before it was stripped, or its debug file (objcopy --only-keep-debug).',
  },
  SW_DEBUGINFO_BUILD_ID: {
    status: 422,
    message: 'the build ID of the file is {found}, not {wanted}',
    fix: 'Send the debug information of the build that ran: `readelf -n FILE` shows its build ID; link with -Wl,--build-id where there is none.',
  },
  SW_DEBUGINFO_TOO_LARGE: {
    status: 413,
    message: 'the debug file is larger than {max} bytes',
    fix: 'Raise server.debuginfo.maxFileBytes and maxBytes, or send less (objcopy --only-keep-debug --compress-debug-sections).',
  },
  SW_DEBUGINFO_UNKNOWN: {
    status: 404,
    message: 'there is no debug information for the build ID {buildId}',
    fix: '`stackwell debuginfo list` shows what there is.',
  },
  SW_PGO_EMPTY: {
    status: 422,
    message: 'there is nothing here for the Go compiler: no sample has a Go function with its first line',
    fix: 'Select a service that is written in Go (1.20 or later) and a time in which it used CPU.',
  },
  SW_CONFIG_INVALID: {
    status: 400,
    message: 'the configuration is not valid: {reason}',
    fix: 'docs/configuration.md lists every key with its default.',
  },
  SW_USAGE: {
    status: 400,
    message: '{reason}',
    fix: 'See --help.',
  },
  SW_OUTPUT: {
    status: 500,
    message: 'cannot write {path}: {reason}',
    fix: 'Choose a place that can be written with -o.',
  },
  SW_SERVER_UNREACHABLE: {
    status: 502,
    message: 'the server at {url} does not answer: {reason}',
    fix: 'Check that it runs and that --server points to it. Profiles are kept in the outbox meanwhile.',
  },
  SW_CLIENT_OPTIONS: {
    status: 400,
    message: 'the options of stackwell/client are not valid: {reason}',
    fix: 'docs/node-client.md lists every option with its default.',
  },
  SW_CLIENT_PROFILER: {
    status: 500,
    message: 'this process cannot be sampled: {reason}',
    fix: 'Let no other profiler run in this process that uses @datadog/pprof, too; where that has no binary for the platform, profile with the agent.',
  },
  SW_CLIENT_PUSH: {
    status: 502,
    message: 'profiles do not reach {url}: {reason}',
    fix: 'Check serverUrl and the credentials. Profiles wait in memory, as many as queueBytes allows, and are sent again.',
  },
  SW_CLIENT_DROPPED: {
    status: 500,
    message: '{count} profiles were dropped: {reason}',
    fix: 'stats() counts them by cause. queue_full: the server was away for longer than queueBytes holds. rejected: see its answer. stopped: give stop() more time.',
  },
  SW_SCRAPE_UNREACHABLE: {
    status: 502,
    message: 'the target {url} does not answer: {reason}',
    fix: 'Check that it runs, that agent.scrape.jobs has its address and scheme, and that the certificate is trusted.',
  },
  SW_SCRAPE_TIMEOUT: {
    status: 504,
    message: 'the target {url} gave no whole answer within {timeout} ms',
    fix: 'Raise agent.scrape.timeout, or leave the profile out (agent.scrape.jobs[].profiles).',
  },
  SW_SCRAPE_STATUS: {
    status: 502,
    message: 'the target {url} answered {status}',
    fix: 'Check the path and the credentials of the job. Redirects are not followed: configure where the profile is.',
  },
  SW_SCRAPE_TOO_LARGE: {
    status: 413,
    message: 'the target {url} sent more than {max} bytes',
    fix: 'Raise agent.scrape.maxBodyBytes if this is a profile.',
  },
  SW_SCRAPE_STATE: {
    status: 507,
    message: 'there is no memory left to remember what this target has counted',
    fix: 'Raise agent.scrape.maxStateBytes, scrape fewer targets, or have the target work out the growth (seconds).',
  },
  SW_SCRAPE_CREDENTIALS: {
    status: 500,
    message: 'cannot use the credentials in {path}: {reason}',
    fix: 'Make the file readable for the agent; tokens and passwords are one line.',
  },
  SW_SCRAPE_TARGETS: {
    status: 422,
    message: 'these targets cannot be used: {where}: {reason}',
    fix: 'Write a list of {targets: [host:port, …], labels: {name: value}}, as JSON or YAML (docs/scraping.md).',
  },
  SW_SCRAPE_TOO_MANY: {
    status: 507,
    message: '{omitted} targets are left out, over {max}',
    fix: 'Raise agent.scrape.maxTargets, or give each agent a part of the targets.',
  },
  SW_SCRAPE_DISCOVERY: {
    status: 502,
    message: 'targets cannot be looked up at {where}: {reason}',
    fix: 'Check the address, the token and its rights: list pods at the API server, get nodes/proxy at a kubelet.',
  },
  SW_SYMBOLIZER: {
    status: 500,
    message: 'the symbolizer does not work: {reason}',
    fix: 'Run script/build; frames show their module and offset until then.',
  },
  SW_INTERNAL: {
    status: 500,
    message: 'something went wrong inside: {reason}',
    fix: 'Report it with the log around this time.',
  },
} as const satisfies Record<string, ErrorSpec>;

export type ErrorCode = keyof typeof ERRORS;

/** Fills `{name}` places; a detail that is missing shows as '?'. */
function fill(template: string, details: Record<string, unknown>): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => (name in details ? String(details[name]) : '?'));
}

export class StackwellError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly fix: string;
  readonly details: Record<string, unknown>;

  constructor(code: ErrorCode, details: Record<string, unknown> = {}, cause?: unknown) {
    super(fill(ERRORS[code].message, details), cause === undefined ? undefined : { cause });
    this.name = 'StackwellError';
    this.code = code;
    this.status = ERRORS[code].status;
    // A fix may show braces of the query language; only names that are in the details are filled.
    this.fix = ERRORS[code].fix.replace(/\{(\w+)\}/g, (whole, name: string) =>
      name in details ? String(details[name]) : whole,
    );
    this.details = details;
  }

  /** What a server answered, in its own words; null when the body is not one of our errors. */
  static fromAnswer(body: unknown): StackwellError | null {
    const told = body as { code?: string; message?: string; fix?: string } | null;
    if (typeof told?.code !== 'string' || !(told.code in ERRORS)) return null;
    const error = new StackwellError(told.code as ErrorCode);
    return Object.assign(error, { message: told.message ?? error.message, fix: told.fix ?? error.fix });
  }

  /** The body of an HTTP answer. */
  toJSON(): { code: ErrorCode; message: string; fix: string } {
    return { code: this.code, message: this.message, fix: this.fix };
  }
}

/** Any thrown thing as one of ours: native errors carry a `code` from the table. */
export function asStackwellError(error: unknown): StackwellError {
  if (error instanceof StackwellError) return error;
  if (error instanceof Error) {
    const { code, details } = error as Error & { code?: string; details?: Record<string, unknown> };
    if (code !== undefined && code in ERRORS)
      return new StackwellError(code as ErrorCode, details ?? { reason: error.message }, error);
    // An addon that was never built, wherever it was asked for.
    if (code === 'MODULE_NOT_FOUND' && error.message.includes('.node'))
      return new StackwellError(
        'SW_NATIVE_MISSING',
        { name: 'addon', reason: error.message.split('\n')[0] },
        error,
      );
    if (code === 'ENOSPC' || code === 'SQLITE_FULL')
      return new StackwellError('SW_DISK_FULL', { path: error.message }, error);
  }
  return new StackwellError(
    'SW_INTERNAL',
    { reason: error instanceof Error ? error.message : String(error) },
    error,
  );
}
