// SPDX-License-Identifier: Apache-2.0
// What the network does, in the namespace of the agent: netstat, snmp, sockstat, softnet and devices.
import { z } from 'zod';
import { readSmall } from '../procfs/file.js';
import { fields } from '../procfs/tables.js';
import { collector, type Sample } from './collector.js';
import { need, pattern } from './files.js';

/** Protocol and counter, as in /proc/net/snmp and netstat. */
const COUNTERS = [
  ...[
    'Ip_InDiscards',
    'Ip_OutDiscards',
    'Ip_ReasmFails',
    'Tcp_ActiveOpens',
    'Tcp_PassiveOpens',
    'Tcp_AttemptFails',
  ],
  ...['Tcp_EstabResets', 'Tcp_InSegs', 'Tcp_OutSegs', 'Tcp_RetransSegs', 'Tcp_InErrs', 'Tcp_OutRsts'],
  ...['Udp_InErrors', 'Udp_RcvbufErrors', 'Udp_SndbufErrors', 'TcpExt_ListenOverflows', 'TcpExt_ListenDrops'],
  ...['TcpExt_TCPTimeouts', 'TcpExt_TCPLostRetransmit', 'TcpExt_TCPSynRetrans', 'TcpExt_TCPAbortOnMemory'],
  ...['TcpExt_TCPBacklogDrop', 'TcpExt_TCPRcvQDrop', 'TcpExt_TCPZeroWindowDrop', 'TcpExt_TCPReqQFullDrop'],
  ...['TcpExt_PruneCalled', 'TcpExt_SyncookiesSent'],
];

const PAGE = 4096;

/** Pairs of lines: the names of counters, and their values. */
function counters(text: string | null): Map<string, number> {
  const found = new Map<string, number>();
  const lines = fields(text);
  for (let at = 0; at + 1 < lines.length; at += 2) {
    const [protocol = '', ...names] = lines[at]!;
    const values = lines[at + 1]!;
    for (const [column, name] of names.entries())
      found.set(`${protocol.replace(':', '')}_${name}`, Number(values[column + 1]));
  }
  return found;
}

export const network = collector({
  name: 'network',
  about: 'TCP, UDP and IP counters, sockets, backlog drops, devices',
  families: [
    { name: 'events_total', help: 'counters of /proc/net/snmp and netstat, by protocol', type: 'counter' },
    { name: 'sockets', help: 'sockets (/proc/net/sockstat), by protocol and state', type: 'gauge' },
    { name: 'socket_memory_bytes', help: 'memory of socket buffers, by protocol', type: 'gauge' },
    { name: 'backlog_packets_total', help: 'packets that softirqs worked on', type: 'counter' },
    { name: 'backlog_dropped_total', help: 'packets dropped for a full backlog', type: 'counter' },
    { name: 'backlog_squeezed_total', help: 'turns that ended before the work did', type: 'counter' },
    { name: 'device_bytes_total', help: 'bytes of a device, by direction', type: 'counter' },
    { name: 'device_packets_total', help: 'packets of a device, by direction', type: 'counter' },
    { name: 'device_errors_total', help: 'errors of a device, by direction', type: 'counter' },
    { name: 'device_dropped_total', help: 'packets that a device dropped, by direction', type: 'counter' },
  ],
  options: z.strictObject({
    counters: z
      .array(z.string())
      .default(COUNTERS)
      .describe('Protocol_Counter of /proc/net/snmp and netstat'),
    excludeDevices: pattern.default('^(veth|lo$)').describe('devices that are left out'),
  }),
  start({ targets }, { counters: wanted, excludeDevices }) {
    need('/proc/net/snmp');
    const excluded = new RegExp(excludeDevices);
    return {
      async collect() {
        const { host } = targets;
        const found = new Map([
          ...counters(readSmall('/proc/net/snmp')),
          ...counters(readSmall('/proc/net/netstat')),
        ]);
        const samples: Record<string, Sample[]> = {
          events_total: wanted.flatMap((name): Sample[] => {
            const value = found.get(name);
            if (value === undefined) return [];
            const [protocol = '', event = ''] = name.split('_');
            return [{ labels: { ...host, protocol, event }, value }];
          }),
          sockets: [],
          socket_memory_bytes: [],
        };
        for (const [name = '', ...pairs] of fields(readSmall('/proc/net/sockstat')))
          for (let at = 0; at + 1 < pairs.length; at += 2) {
            const labels = { ...host, protocol: name.replace(':', '').toLowerCase() };
            const value = Number(pairs[at + 1]);
            if (pairs[at] === 'mem') samples.socket_memory_bytes!.push({ labels, value: value * PAGE });
            else if (pairs[at] !== 'memory')
              samples.sockets!.push({ labels: { ...labels, state: pairs[at]! }, value });
          }
        // One line a CPU: packets, drops, squeezes; hexadecimal.
        const softnet = fields(readSmall('/proc/net/softnet_stat'));
        for (const [column, name] of ['packets', 'dropped', 'squeezed'].entries())
          samples[`backlog_${name}_total`] = [
            {
              labels: host,
              value: softnet.reduce((sum, line) => sum + Number.parseInt(line[column] ?? '0', 16), 0),
            },
          ];
        const columns = [
          ['bytes', 0],
          ['packets', 1],
          ['errors', 2],
          ['dropped', 3],
        ] as const;
        for (const [name] of columns) samples[`device_${name}_total`] = [];
        for (const line of (readSmall('/proc/net/dev') ?? '').split('\n').slice(2)) {
          const [device, rest] = line.split(':');
          if (rest === undefined || excluded.test(device!.trim())) continue;
          const values = rest.trim().split(/\s+/).map(Number);
          for (const [name, at] of columns)
            for (const [direction, from] of [
              ['receive', 0],
              ['transmit', 8],
            ] as const)
              samples[`device_${name}_total`]!.push({
                labels: { ...host, device: device!.trim(), direction },
                value: values[from + at] ?? 0,
              });
        }
        return samples;
      },
    };
  },
});
