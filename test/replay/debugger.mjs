// SPDX-License-Identifier: Apache-2.0
// Runs programs below gdb and asks it where they stand: registers, frames, mappings, memory.
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

/** Of the main goroutine, which is on the main thread. */
const GOROUTINE = "'runtime.m0'.curg->sched";
const FRAMES = 300;
/** As vm_flags has them. */
const READABLE = 1;
const WRITABLE = 2;
export const EXECUTABLE = 4;

/** Lists the frames of a stack. */
const LIST = [
  `frame apply ${FRAMES} -s printf "frame %#lx %#lx\\n", $pc, $sp`,
  `frame apply ${FRAMES} -s info symbol $pc`,
  'echo CALLS\\n',
  `frame apply ${FRAMES} -s info symbol $pc - 1`,
  'echo END\\n',
];
const BEFORE = [
  ...['pagination off', 'confirm off', 'width 0', 'language c', 'startup-with-shell off'],
  'backtrace past-main on',
].map(words => `set ${words}`);
const SIGNALS = 'handle SIGUSR1 SIGILL SIGURG nostop noprint pass';

/** What gdb prints, line by line. */
function gdb(program, file, commands, scratch) {
  const words = commands.flatMap(command => ['-ex', command]);
  return execFileSync(program, ['-nx', '-batch', ...words, file], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    cwd: scratch,
    stdio: ['ignore', 'pipe', 'pipe'],
  }).split('\n');
}

/** ip, sp, fp, lr, call. */
function registersIn(lines) {
  const line = lines.find(each => each.startsWith('registers '));
  if (line === undefined) throw new Error(lines.join('\n'));
  const [ip, sp, fp, lr, call] = line.split(' ').slice(1).map(BigInt);
  return { ip, sp, fp, lr, call };
}

/** Goes on with the stack of the main goroutine. */
const toGoroutine = fp => [
  ...['pc', 'sp', 'bp'].map(member => `set $next_${member} = ${GOROUTINE}.${member}`),
  ...[
    ['pc', 'pc'],
    ['sp', 'sp'],
    [fp, 'bp'],
  ].map(([register, member]) => `set $${register} = $next_${member}`),
];

/** Runs a program of this machine up to the place. */
export async function stopHere(program, { of, run = '', stop, goesOn }, scratch) {
  const core = join(scratch, 'core');
  const lines = gdb(
    'gdb',
    program,
    [
      ...BEFORE,
      SIGNALS,
      `tbreak ${of === undefined ? 'main' : 'main.main'}`,
      `run ${run}`,
      ...stop,
      'printf "registers %#lx %#lx %#lx 0 %#lx\\n", $rip, $rsp, $rbp, $orig_rax',
      'info proc mappings',
      `generate-core-file ${core}`,
      ...LIST,
      ...(goesOn === undefined ? [] : [...toGoroutine('rbp'), ...LIST]),
      'kill',
    ],
    scratch,
  );
  return {
    registers: registersIn(lines),
    lists: framesIn(lines, /^(__restore_rt|runtime\.sigreturn\S*)$/).map(ownOf),
    mappings: mappingsIn(lines),
    segments: memoryOf(core),
  };
}

const PORT = 12_345;
const PAGE = 4096n;

/**
 * Runs a static program of arm64 under emulation. What it is made of is told by its own headers; the rest that can be
 * executed is the page that signal handlers return to.
 */
export async function stopEmulated(program, { of, run = '', stop, goesOn }, scratch) {
  // gdb cannot read the signal frames of emulated vector extensions.
  const emulator = spawn('qemu-aarch64', [
    '-cpu',
    'cortex-a57',
    '-g',
    String(PORT),
    program,
    ...run.split(' ').filter(Boolean),
  ]);
  /** Of the stack that the registers are on. */
  const dump = (name, end) => [
    'set $low = $sp - 64',
    `frame apply ${FRAMES} -s set $top = $sp`,
    `printf "memory ${name} %#lx\\n", $low`,
    `dump binary memory ${join(scratch, name)} $low ${end}`,
  ];
  await setTimeout(500);
  const lines = gdb(
    'gdb-multiarch',
    program,
    [
      ...BEFORE,
      `target remote :${PORT}`,
      SIGNALS,
      `tbreak ${of === undefined ? 'main' : 'main.main'}`,
      'continue',
      ...stop,
      'printf "registers %#lx %#lx %#lx %#lx -1\\n", $pc, $sp, $x29, $x30',
      ...LIST,
      ...dump('stack', goesOn === undefined ? '$top+64' : '$low+1024'),
      ...(goesOn === undefined ? [] : [...toGoroutine('x29'), ...LIST, ...dump('goroutine', '$top+64')]),
      'kill',
    ],
    scratch,
  );
  emulator.kill('SIGKILL');
  const lists = framesIn(lines, /^\?$/);
  const mappings = segmentsOf(program);
  const returns = lists.flat().find(({ pc }) => !mappings.some(({ start, end }) => pc >= start && pc < end));
  if (returns !== undefined) {
    const start = returns.pc & ~(PAGE - 1n);
    const page = {
      start: start - PAGE,
      end: start + PAGE,
      offset: 0n,
      flags: READABLE | EXECUTABLE,
      path: '[vdso]',
    };
    // In a kernel's vDSO there is code in front of it. The handler's return address is looked up there.
    mappings.push({ ...page, isSignalReturn: true });
    mappings.sort((a, b) => (a.start < b.start ? -1 : 1));
  }
  const segments = [...lines.join('\n').matchAll(/^memory (\w+) (0x\w+)/gm)].map(([, name, at]) => {
    const bytes = readFileSync(join(scratch, name));
    return { start: BigInt(at), end: BigInt(at) + BigInt(bytes.length), bytes };
  });
  return {
    registers: registersIn(lines),
    lists,
    mappings,
    segments,
  };
}

/** How the loader maps a program that has a fixed place. */
function segmentsOf(program) {
  const content = readFileSync(program);
  const table = Number(content.readBigUInt64LE(32));
  const mappings = [];
  for (let at = table; at < table + content.readUInt16LE(56) * 56; at += 56) {
    if (content.readUInt32LE(at) !== 1) continue;
    const [offset, address, size] = [at + 8, at + 16, at + 32].map(place => content.readBigUInt64LE(place));
    const within = address % PAGE;
    const end = (address + size + PAGE - 1n) & ~(PAGE - 1n);
    const flags = content.readUInt32LE(at + 4);
    mappings.push({
      start: address - within,
      end,
      offset: offset - within,
      flags: (flags & 4 ? READABLE : 0) | (flags & 1 ? EXECUTABLE : 0),
      path: program,
    });
  }
  return mappings;
}

/** Lists of frames, leaf first: what gdb says about each. */
function framesIn(lines, signalReturn) {
  const lists = [];
  let list = null;
  let calls = -1;
  for (const line of lines) {
    const frame = /^frame (0x\w+) (0x\w+)/.exec(line);
    const symbol =
      /^(.*) in section \S+( of (.*))?$/.exec(line)?.[1] ?? (/^No symbol matches/.test(line) ? '?' : null);
    if (frame !== null) {
      list ??= { frames: [], symbols: [], callers: [] };
      list.frames.push({ pc: BigInt(frame[1]), sp: BigInt(frame[2]) });
    } else if (line === 'CALLS') {
      calls = 0;
    } else if (line === 'END') {
      lists.push(list ?? { frames: [], symbols: [], callers: [] });
      list = null;
      calls = -1;
    } else if (symbol !== null && list !== null) {
      (calls < 0 ? list.symbols : list.callers).push(symbol);
    }
  }
  return lists.map(({ frames, symbols, callers }) => {
    let exact = true;
    return frames.map((frame, index) => {
      // Nobody called from in front of where a signal handler returns to.
      const returns = signalReturn.test(symbols[index]);
      const precise = exact || returns;
      const [, name, offset] = /^(.*?)(?: \+ (\d+))?$/.exec((precise ? symbols : callers)[index] ?? '?');
      // A page of the kernel has no symbols.
      const known = returns && name === '?' ? 'signal_return' : name;
      // gdb writes the package of a Go function in its own way.
      const symbol = `${known.replace(/^(\w+)\[(\w+)\]$/, '$1.$2')}+${Number(offset ?? 0) + (precise ? 0 : 1)}`;
      // What a signal interrupted is at the very instruction.
      exact = returns;
      return { ...frame, symbol };
    });
  });
}

/** Inlined calls, and functions that left by a tail call, are frames to gdb: with the stack of the next one. */
const ownOf = frames => frames.filter(({ sp }, index) => sp !== frames[index + 1]?.sp);

/** vm_flags of `r-xp`. */
export const flagsOf = letters =>
  [...letters].reduce((sum, letter) => sum | ({ r: READABLE, w: WRITABLE, x: EXECUTABLE }[letter] ?? 0), 0);

function mappingsIn(lines) {
  const mappings = [];
  for (const line of lines) {
    const found = /^\s+(0x\w+)\s+(0x\w+)\s+0x\w+\s+(0x\w+)\s+([-rwxps]{4})\s*(.*)$/.exec(line);
    if (found === null || found[5] === '[vsyscall]') continue;
    const [start, end, offset] = found.slice(1, 4).map(BigInt);
    mappings.push({ start, end, offset, flags: flagsOf(found[4]), path: found[5].trim() });
  }
  return mappings;
}

/** Loaded segments of a core file. */
function memoryOf(core) {
  const bytes = readFileSync(core);
  const [table, size, count] = [
    Number(bytes.readBigUInt64LE(32)),
    bytes.readUInt16LE(54),
    bytes.readUInt16LE(56),
  ];
  const segments = [];
  for (let i = 0; i < count; i++) {
    const at = table + i * size;
    if (bytes.readUInt32LE(at) !== 1) continue;
    const [offset, start, length] = [at + 8, at + 16, at + 32].map(place => bytes.readBigUInt64LE(place));
    segments.push({
      start,
      end: start + length,
      bytes: bytes.subarray(Number(offset), Number(offset + length)),
    });
  }
  return segments;
}
