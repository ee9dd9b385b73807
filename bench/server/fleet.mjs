// SPDX-License-Identifier: Apache-2.0
// A fleet of agents that exists on paper: hosts that run services, services that run real programs' stacks, windows with
// the samples that 19 Hz give. What an agent sends for a window is one request, as our agent sends it.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { decode, encode } from '#native/profile';
import { encodePushRequest } from '../../dist/agent/outbox/push-request.js';

const PROFILES = fileURLToPath(new URL('./profiles', import.meta.url));
/** Different windows of one service; each is sent many times, at other times and from other hosts with other processes. */
const WINDOWS = 200;
const PHASES = ['blocked', 'blocked', 'blocked', 'runqueue', 'preempted'];

/** Numbers that are the same in every run (xorshift). */
export function numbers(seed) {
  let state = (seed + 1) * 0x9e3779b1;
  return below => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/**
 * A window's profile, as columns: `samples` drawn from the stacks of a real one, hot ones more often, with only what they
 * need. Ids of processes and threads are small numbers, to which those of a host are added.
 */
function windowOf(whole, samples, pick, isOffCpu) {
  const { samples: stacks, locations, lines, functions, strings } = whole;
  const count = stacks.locationOffset.length - 1;
  const values = new Map();
  for (let i = 0; i < samples; i++) {
    // The lower of two: the first stacks are the hottest.
    const row = Math.min(pick(count), pick(count), pick(count));
    values.set(row, (values.get(row) ?? 0) + 1);
  }
  const text = [''];
  const rows = new Map([['', 0]]);
  const string = value => {
    if (!rows.has(value)) rows.set(value, text.push(value) - 1);
    return rows.get(value);
  };
  const own = { function: [], location: [] };
  const functionRows = new Map();
  const locationRows = new Map();
  const mapTo = (map, list, from) => {
    if (!map.has(from)) map.set(from, list.push(from) - 1);
    return map.get(from);
  };
  const offsets = [0];
  const location = [];
  const labelOffset = [0];
  const label = { key: [], str: [], num: [], numUnit: [] };
  for (const row of values.keys()) {
    for (let at = stacks.locationOffset[row]; at < stacks.locationOffset[row + 1]; at++)
      location.push(mapTo(locationRows, own.location, stacks.location[at]));
    offsets.push(location.length);
    const add = (key, str, num) => {
      label.key.push(string(key));
      label.str.push(string(str));
      label.num.push(BigInt(num));
      label.numUnit.push(0);
    };
    const thread = pick(8);
    add('pid', '', thread & 1);
    add('thread_id', '', thread);
    add('thread_name', `worker-${thread}`, 0);
    if (isOffCpu) add('phase', PHASES[pick(PHASES.length)], 0);
    labelOffset.push(label.key.length);
  }
  const lineOffset = [0];
  const line = { function: [], line: [], column: [] };
  for (const from of own.location) {
    for (let at = locations.lineOffset[from]; at < locations.lineOffset[from + 1]; at++) {
      line.function.push(mapTo(functionRows, own.function, lines.function[at]));
      line.line.push(lines.line[at]);
      line.column.push(0n);
    }
    lineOffset.push(line.function.length);
  }
  const period = 52_631_578n;
  const type = isOffCpu ? string('offcpu') : string('cpu');
  const unit = string('nanoseconds');
  const texts = column => Uint32Array.from(own.function, row => string(strings[column[row]]));
  return {
    sampleTypes: [{ type, unit }],
    periodType: { type, unit },
    period: isOffCpu ? 1n : period,
    timeNanos: 0n,
    durationNanos: 10_000_000_000n,
    comments: Uint32Array.of(string('stackwell.clock cpu-clock'), string(`stackwell.samples ${samples}`)),
    defaultSampleType: 0,
    dropFrames: 0,
    keepFrames: 0,
    docUrl: 0,
    mappings: {
      start: BigUint64Array.of(0x400000n),
      limit: BigUint64Array.of(0x4000000n),
      offset: BigUint64Array.of(0n),
      filename: Uint32Array.of(string('/usr/bin/service')),
      buildId: Uint32Array.of(string('0123456789abcdef')),
      flags: Uint8Array.of(15),
    },
    functions: {
      name: texts(functions.name),
      systemName: texts(functions.systemName),
      filename: texts(functions.filename),
      startLine: BigInt64Array.from(own.function, row => functions.startLine[row]),
    },
    locations: {
      mapping: new Int32Array(own.location.length),
      address: BigUint64Array.from(own.location, row => locations.address[row]),
      isFolded: new Uint8Array(own.location.length),
      lineOffset: Uint32Array.from(lineOffset),
    },
    lines: {
      function: Int32Array.from(line.function),
      line: BigInt64Array.from(line.line),
      column: BigInt64Array.from(line.column),
    },
    samples: {
      locationOffset: Uint32Array.from(offsets),
      location: Uint32Array.from(location),
      values: BigInt64Array.from([...values.values()], n =>
        isOffCpu ? BigInt(n) * BigInt(1_000_000 + pick(50_000_000)) : BigInt(n) * period,
      ),
      labelOffset: Uint32Array.from(labelOffset),
    },
    labels: {
      key: Uint32Array.from(label.key),
      str: Uint32Array.from(label.str),
      num: BigInt64Array.from(label.num),
      numUnit: Uint32Array.from(label.numUnit),
    },
    strings: text,
  };
}

/** What a host whose processes have ids from `first` on sends of a window that starts at `time`, Unix milliseconds. */
function encoded(window, first, time) {
  const { labels } = window;
  const num = labels.num.map((id, at) => (labels.str[at] === 0 ? id + BigInt(first) : id));
  return encode(
    { ...window, timeNanos: BigInt(time) * 1_000_000n, labels: { ...labels, num } },
    { gzipLevel: 0 },
  );
}

export class Fleet {
  constructor({ agents, services, perAgent, windows }) {
    this.agents = agents;
    this.services = services;
    this.perAgent = perAgent;
    this.windows = windows;
  }

  /** Samples of a window: 19 Hz for 10 s on a service that uses a third of a core, and as many waits of over 1 ms. */
  static async make({ agents, services, perAgent, samples = 60 }) {
    const files = readdirSync(PROFILES).filter(name => name.endsWith('.pb.gz'));
    const wholes = [];
    for (const file of files) wholes.push(await decode(readFileSync(join(PROFILES, file))));
    const windows = Array.from({ length: services }, (_, service) => {
      const pick = numbers(service);
      const whole = wholes[service % wholes.length];
      return Array.from({ length: WINDOWS }, () => ({
        cpu: windowOf(whole, samples, pick, false),
        offcpu: windowOf(whole, samples, pick, true),
      }));
    });
    return new Fleet({ agents, services, perAgent, windows });
  }

  /** Services of a host: a few are everywhere, most on some. */
  servicesOf(agent) {
    const pick = numbers(agent * 7919);
    const own = new Set();
    while (own.size < Math.min(this.perAgent, this.services))
      own.add(Math.min(pick(this.services), pick(this.services)));
    return [...own];
  }

  /** Body of the request that `agent` sends for the window that starts at `time`, Unix milliseconds. */
  async request(agent, time) {
    const pick = numbers(agent * 31 + time / 10_000);
    const series = [];
    for (const service of this.servicesOf(agent)) {
      const first = 1000 + ((agent * 48_271 + service * 16) % 4_000_000);
      const window = this.windows[service][pick(WINDOWS)];
      const labels = {
        service_name: `service-${service}`,
        host: `host-${agent}`,
        pod: `service-${service}-${agent}`,
        deploy: `v${service % 3}`,
      };
      for (const [kind, columns] of Object.entries(window))
        series.push({
          labels: { __name__: `process_${kind}`, ...labels },
          id: `${agent}-${service}-${time}-${kind}`,
          pprof: await encoded(columns, first, time),
        });
    }
    return { body: gzipSync(encodePushRequest(series), { level: 1 }), profiles: series.length };
  }
}
