// SPDX-License-Identifier: Apache-2.0
// Profiles made in code for tests of the page: a host with a Go, a Java and a C++ service, a database and the kernel.
// The same seed gives the same profiles, so a test may name numbers.
import { OFF_CPU, ON_CPU } from '../../src/profile/types.js';

export interface Frame {
  name: string;
  file: string;
  module: string;
  reason: string;
}

export interface Sample {
  type: string;
  /** Labels of the profile and of the sample together. */
  labels: Record<string, string>;
  /** Root first. */
  stack: number[];
  value: number;
}

export interface Tree {
  sum: number;
  functions: { name: string[]; file: string[]; module: string[]; reason: string[]; buildId: string[] };
  depth: number[];
  start: number[];
  total: number[];
  self: number[];
  function: number[];
}

export function random(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Of every file with a frame that has no name. */
export const BUILD_ID = 'c0ffee'.repeat(6);

/** Every frame that a stack can name. */
export const FRAMES: Frame[] = [];
const known = new Map<string, number>();
function frame(name: string, module: string, file = '', reason = ''): number {
  const key = `${name}\0${module}`;
  let id = known.get(key);
  if (id === undefined) {
    id = FRAMES.push({ name, module, file, reason }) - 1;
    known.set(key, id);
  }
  return id;
}

const KERNEL = '[kernel.kallsyms]';
const kernel = (...names: string[]) => names.map(name => frame(name, KERNEL));
const syscall = kernel('entry_SYSCALL_64_after_hwframe', 'do_syscall_64');

interface Program {
  labels: Record<string, string>;
  weight: number;
  stacks: { frames: number[]; weight: number; off?: boolean; thread: string }[];
}

function go(module: string, ...names: [string, string][]): number[] {
  return names.map(([name, file]) => frame(name, module, file));
}

function programs(): Program[] {
  const http = go(
    'checkout',
    ['runtime.goexit', '/usr/local/go/src/runtime/asm_amd64.s'],
    ['net/http.(*Server).Serve.gowrap3', '/usr/local/go/src/net/http/server.go'],
    ['net/http.(*conn).serve', '/usr/local/go/src/net/http/server.go'],
    ['net/http.serverHandler.ServeHTTP', '/usr/local/go/src/net/http/server.go'],
    ['shop/checkout/internal/api.(*Router).ServeHTTP', '/src/internal/api/router.go'],
    ['shop/checkout/internal/api.(*Handler).PlaceOrder', '/src/internal/api/order.go'],
  );
  const price = go(
    'checkout',
    ['shop/checkout/internal/pricing.(*Engine).Quote', '/src/internal/pricing/engine.go'],
    [
      'shop/checkout/internal/pricing.applyRules[go.shape.struct { ID string; Percent float64 }]',
      '/src/internal/pricing/rules.go',
    ],
  );
  const json = go(
    'checkout',
    ['encoding/json.Marshal', '/usr/local/go/src/encoding/json/encode.go'],
    ['encoding/json.(*encodeState).reflectValue', '/usr/local/go/src/encoding/json/encode.go'],
    ['encoding/json.structEncoder.encode', '/usr/local/go/src/encoding/json/encode.go'],
  );
  const malloc = go(
    'checkout',
    ['runtime.mallocgc', '/usr/local/go/src/runtime/malloc.go'],
    ['runtime.memclrNoHeapPointers', '/usr/local/go/src/runtime/memclr_amd64.s'],
  );
  const send = [
    ...syscall,
    ...kernel(
      '__x64_sys_sendto',
      '__sys_sendto',
      'sock_sendmsg',
      'tcp_sendmsg',
      'tcp_write_xmit',
      '__tcp_transmit_skb',
      'ip_queue_xmit',
    ),
  ];
  const gopark = go(
    'checkout',
    ['internal/poll.(*FD).Read', '/usr/local/go/src/internal/poll/fd_unix.go'],
    ['runtime.netpollblock', '/usr/local/go/src/runtime/netpoll.go'],
  );
  const futexWait = [
    ...syscall,
    ...kernel('__x64_sys_futex', 'do_futex', 'futex_wait', 'futex_wait_queue', 'schedule'),
  ];

  const java = [
    frame('start_thread', 'libc.so.6', './nptl/pthread_create.c'),
    frame('thread_native_entry(Thread*)', 'libjvm.so', 'os_linux.cpp'),
    frame('JavaThread::thread_main_inner()', 'libjvm.so', 'javaThread.cpp'),
    ...[
      'java.lang.Thread.run',
      'java.util.concurrent.ThreadPoolExecutor$Worker.run',
      'java.util.concurrent.ThreadPoolExecutor.runWorker',
      'com.acme.inventory.StockService.reserve',
    ].map(name => frame(name, '[jit]', `${name.split('.').slice(-2)[0]}.java`)),
  ];
  const stock = (name: string) => frame(name, '[jit]', `${name.split('.').slice(-2)[0]}.java`);
  const stub = frame('[jit] 0x7f31c80a2b40', '[jit]', '', 'jit_unknown');
  const gc = [
    frame('start_thread', 'libc.so.6', './nptl/pthread_create.c'),
    frame('thread_native_entry(Thread*)', 'libjvm.so', 'os_linux.cpp'),
    frame('WorkerThread::run()', 'libjvm.so', 'workerThread.cpp'),
    frame(
      'G1EvacuateRegionsTask::evacuate_live_objects(G1ParScanThreadState*, unsigned int)',
      'libjvm.so',
      'g1YoungCollector.cpp',
    ),
    frame(
      'G1ParScanThreadState::trim_queue_to_threshold(unsigned int)',
      'libjvm.so',
      'g1ParScanThreadState.cpp',
    ),
  ];

  const cpp = [
    frame('_start', 'searchd'),
    frame('__libc_start_main_impl', 'libc.so.6', './csu/libc-start.c'),
    frame('main', 'searchd', '/src/search/main.cc'),
    frame(
      'search::Server::run(std::chrono::duration<long, std::ratio<1l, 1000l> >)',
      'searchd',
      '/src/search/server.cc',
    ),
  ];
  const query = [
    frame(
      'search::Index::query(std::basic_string_view<char, std::char_traits<char> >, search::QueryOptions const&) const',
      'searchd',
      '/src/search/index.cc',
    ),
    frame(
      'std::vector<search::Posting, std::pmr::polymorphic_allocator<search::Posting> > search::intersect<search::SkipIterator, search::BitmapIterator>(search::SkipIterator, search::BitmapIterator)',
      'searchd',
      '/src/search/intersect.h',
    ),
  ];
  const rank = frame(
    'search::rank::Bm25Scorer::operator()(search::Posting const&) const',
    'searchd',
    '/src/search/rank.cc',
  );
  const sort = frame(
    'void std::__introsort_loop<__gnu_cxx::__normal_iterator<search::Hit*, std::vector<search::Hit> >, long, __gnu_cxx::__ops::_Iter_comp_iter<search::ByScore> >(search::Hit*, search::Hit*, long, search::ByScore)',
    'searchd',
    '/usr/include/c++/12/bits/stl_algo.h',
  );
  const stripped = frame('libvendor.so.3+0x4f2a0', 'libvendor.so.3', '', 'no_symbols');
  const mem = frame(
    '__memmove_avx_unaligned_erms',
    'libc.so.6',
    '../sysdeps/x86_64/multiarch/memmove-vec-unaligned-erms.S',
  );

  const pg = [
    'main',
    'PostmasterMain',
    'ServerLoop',
    'BackendStartup',
    'PostgresMain',
    'exec_simple_query',
    'PortalRun',
    'ExecutorRun',
    'ExecProcNode',
    'ExecSort',
    'ExecSeqScan',
    'heap_getnextslot',
  ].map(name => frame(name, 'postgres', `/build/postgresql/src/backend/${name}.c`));
  const read = [
    ...syscall,
    ...kernel(
      '__x64_sys_pread64',
      'vfs_read',
      'ext4_file_read_iter',
      'filemap_read',
      'folio_wait_bit_common',
      'io_schedule',
      'schedule',
    ),
  ];
  const copy = [
    ...syscall,
    ...kernel(
      '__x64_sys_pread64',
      'vfs_read',
      'ext4_file_read_iter',
      'filemap_read',
      'copy_page_to_iter',
      '_copy_to_iter',
    ),
  ];

  const container = (name: string, id: string, image: string, deploy: string) => ({
    container: name,
    container_id: id.repeat(4),
    image,
    deploy,
  });
  const out: Program[] = [
    {
      labels: {
        host: 'web-1',
        service_name: 'checkout',
        ...container('checkout', '8f3a91c04be27d55', 'registry.example/shop/checkout:4.12.1', '4.12.1'),
        pid: '2114',
        process_name: 'checkout',
      },
      weight: 0.31,
      stacks: [
        { frames: [...http, ...price], weight: 22, thread: 'checkout' },
        { frames: [...http, ...price, ...malloc], weight: 9, thread: 'checkout' },
        { frames: [...http, ...json, ...json, ...malloc], weight: 12, thread: 'checkout' },
        { frames: [...http, ...json, ...json], weight: 17, thread: 'checkout' },
        {
          frames: [
            ...http,
            ...go(
              'checkout',
              ['net.(*conn).Write', '/usr/local/go/src/net/net.go'],
              ['internal/poll.(*FD).Write', '/usr/local/go/src/internal/poll/fd_unix.go'],
              ['syscall.write', '/usr/local/go/src/syscall/zsyscall_linux_amd64.go'],
            ),
            ...send,
          ],
          weight: 11,
          thread: 'checkout',
        },
        {
          frames: go(
            'checkout',
            ['runtime.gcBgMarkWorker', '/usr/local/go/src/runtime/mgc.go'],
            ['runtime.gcDrain', '/usr/local/go/src/runtime/mgcmark.go'],
            ['runtime.scanobject', '/usr/local/go/src/runtime/mgcmark.go'],
          ),
          weight: 14,
          thread: 'checkout',
        },
        { frames: [...http, ...gopark, ...futexWait], weight: 300, off: true, thread: 'checkout' },
      ],
    },
    {
      labels: {
        host: 'web-1',
        service_name: 'inventory',
        ...container(
          'inventory',
          '1d77e0b2c9a4f613',
          'registry.example/shop/inventory:2026.11.3',
          '2026.11.3',
        ),
        pid: '2410',
        process_name: 'java',
      },
      weight: 0.24,
      stacks: [
        {
          frames: [
            ...java,
            stock('com.acme.inventory.StockTable.find'),
            stock('java.util.concurrent.ConcurrentHashMap.get'),
          ],
          weight: 31,
          thread: 'http-worker-3',
        },
        {
          frames: [...java, stock('com.acme.inventory.StockTable.find'), stub],
          weight: 6,
          thread: 'http-worker-1',
        },
        {
          frames: [...java, stock('com.acme.inventory.Reservation.<init>'), stock('java.util.Arrays.copyOf')],
          weight: 14,
          thread: 'http-worker-2',
        },
        { frames: gc, weight: 13, thread: 'G1 Worker#0' },
        { frames: [...java, ...futexWait], weight: 420, off: true, thread: 'http-worker-1' },
      ],
    },
    {
      labels: {
        host: 'web-2',
        service_name: 'search',
        ...container(
          'search',
          'c04b7aa6e15f2093',
          'registry.example/shop/search@sha256:5a0d7b21f',
          'sha256:5a0d7b21f',
        ),
        pid: '911',
        process_name: 'searchd',
      },
      weight: 0.27,
      stacks: [
        { frames: [...cpp, ...query], weight: 28, thread: 'query-0' },
        { frames: [...cpp, ...query, rank], weight: 21, thread: 'query-1' },
        { frames: [...cpp, ...query, mem], weight: 7, thread: 'query-1' },
        { frames: [...cpp, sort], weight: 12, thread: 'query-0' },
        { frames: [...cpp, stripped], weight: 5, thread: 'query-0' },
        { frames: [...cpp, ...query, ...futexWait], weight: 150, off: true, thread: 'query-1' },
      ],
    },
    {
      labels: {
        host: 'web-2',
        service_name: 'postgresql@15-main.service',
        unit: 'postgresql@15-main.service',
        pid: '640',
        process_name: 'postgres',
      },
      weight: 0.13,
      stacks: [
        { frames: pg, weight: 16, thread: 'postgres' },
        { frames: [...pg, ...copy], weight: 14, thread: 'postgres' },
        { frames: [...pg, ...read], weight: 90, off: true, thread: 'postgres' },
      ],
    },
    {
      labels: { host: 'web-1', service_name: 'kernel', pid: '0', process_name: 'swapper/0' },
      weight: 0.05,
      stacks: [
        {
          frames: kernel(
            'ret_from_fork_asm',
            'kthread',
            'worker_thread',
            'process_one_work',
            'wb_workfn',
            'writeback_sb_inodes',
          ),
          weight: 3,
          thread: 'kworker/u4:1',
        },
        {
          frames: kernel(
            'asm_sysvec_apic_timer_interrupt',
            '__irq_exit_rcu',
            'net_rx_action',
            'napi_poll',
            'virtnet_poll',
          ),
          weight: 5,
          thread: 'ksoftirqd/0',
        },
      ],
    },
  ];
  return out;
}

const PHASES = ['blocked', 'runqueue', 'preempted'] as const;
const PHASE_SHARE = { blocked: 0.9, runqueue: 0.07, preempted: 0.03 };

/** Samples of one 10 s window: `cores` busy cores spread over the programs. Deterministic for a window's start. */
export function windowOf(start: number): Sample[] {
  const rng = random(Math.floor(start / 10_000));
  const hour = (start / 3_600_000) % 1;
  const cores = 2.1 + 1.1 * Math.sin(hour * 6 * Math.PI) + 0.4 * rng();
  const samples: Sample[] = [];
  for (const program of all) {
    const on = program.stacks.filter(stack => stack.off !== true);
    const sum = on.reduce((total, stack) => total + stack.weight, 0);
    for (const stack of program.stacks) {
      const labels = { ...program.labels, thread_name: stack.thread };
      const jitter = 0.7 + 0.6 * rng();
      if (stack.off === true) {
        for (const phase of PHASES)
          samples.push({
            type: OFF_CPU,
            labels: { ...labels, phase },
            stack: stack.frames,
            value: Math.round(stack.weight * 1e8 * PHASE_SHARE[phase] * jitter),
          });
      } else
        samples.push({
          type: ON_CPU,
          labels,
          stack: stack.frames,
          value: Math.round(((cores * 10e9 * program.weight * stack.weight) / sum) * jitter),
        });
    }
  }
  return samples;
}

const all = programs();

/** Merges stacks into a call tree, widest child first, as the server lays it out. */
export function treeOf(samples: Sample[]): Tree {
  interface Node {
    fn: number;
    total: number;
    self: number;
    children: Map<number, Node>;
  }
  const root: Node = { fn: -1, total: 0, self: 0, children: new Map() };
  for (const { stack, value } of samples) {
    let node = root;
    node.total += value;
    for (const fn of stack) {
      let child = node.children.get(fn);
      if (child === undefined) {
        child = { fn, total: 0, self: 0, children: new Map() };
        node.children.set(fn, child);
      }
      child.total += value;
      node = child;
    }
    node.self += value;
  }
  const tree: Tree = {
    sum: root.total,
    functions: { name: ['total'], file: [''], module: [''], reason: [''], buildId: [''] },
    depth: [],
    start: [],
    total: [],
    self: [],
    function: [],
  };
  const index = new Map<number, number>([[-1, 0]]);
  const visit = (node: Node, depth: number, start: number) => {
    let fn = index.get(node.fn);
    if (fn === undefined) {
      const f = FRAMES[node.fn]!;
      fn = tree.functions.name.push(f.name) - 1;
      tree.functions.file.push(f.file);
      tree.functions.module.push(f.module);
      tree.functions.reason.push(f.reason);
      tree.functions.buildId.push(f.reason === 'no_symbols' ? BUILD_ID : '');
      index.set(node.fn, fn);
    }
    tree.depth.push(depth);
    tree.start.push(start);
    tree.total.push(node.total);
    tree.self.push(node.self);
    tree.function.push(fn);
    let at = start;
    for (const child of [...node.children.values()].sort((a, b) => b.total - a.total)) {
      visit(child, depth + 1, at);
      at += child.total;
    }
  };
  visit(root, 0, 0);
  return tree;
}

/** A tree of about `nodes` frames, up to 60 deep, with long names: for measuring drawing. */
export function bigTree(nodes: number, seed = 7): Tree {
  const rng = random(seed);
  const tree: Tree = {
    sum: 0,
    functions: { name: ['total'], file: [''], module: [''], reason: [''], buildId: [''] },
    depth: [],
    start: [],
    total: [],
    self: [],
    function: [],
  };
  const modules = ['app', 'libc.so.6', KERNEL, 'libssl.so.3', '[jit]', 'libgrpc.so.37'];
  for (let i = 1; i <= 4000; i++) {
    tree.functions.name.push(
      `ns${i % 40}::Component${i % 300}<std::pair<int, Policy${i}>>::method_${i}(Request const&, int)`,
    );
    tree.functions.module.push(modules[i % modules.length]!);
    tree.functions.file.push(`/src/component_${i % 300}.cc`);
    tree.functions.reason.push(i % 53 === 0 ? 'no_symbols' : '');
    tree.functions.buildId.push(i % 53 === 0 ? BUILD_ID : '');
  }
  const visit = (depth: number, start: number, total: number, budget: number) => {
    tree.depth.push(depth);
    tree.start.push(start);
    tree.total.push(total);
    tree.function.push(depth === 0 ? 0 : 1 + Math.floor(rng() * 4000));
    const at = tree.self.push(total) - 1;
    let left = budget - 1;
    if (depth === 60 || left < 1) return;
    const wanted = depth < 2 ? 12 : 1 + Math.floor(rng() * 3.4);
    const children = Math.min(wanted, left);
    let used = 0;
    for (let i = 0; i < children; i++) {
      const part = i === children - 1 ? left : Math.max(1, Math.floor(left * (0.25 + 0.5 * rng())));
      const width = Math.floor((total * part * 0.97) / (budget - 1));
      if (width < 1) break;
      visit(depth + 1, start + used, width, part);
      used += width;
      left -= part;
      if (left < 1) break;
    }
    tree.self[at] = total - used;
  };
  tree.sum = nodes * 1_000_000;
  visit(0, 0, tree.sum, nodes);
  return tree;
}
