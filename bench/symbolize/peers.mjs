// SPDX-License-Identifier: Apache-2.0
// What llvm-symbolizer and GNU addr2line say about addresses, and how long they take. Frames are innermost first.
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Runs a program to its end; its peak resident memory is looked at while it runs. */
function measured(command, args, input) {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] });
    let peak = 0;
    const timer = setInterval(() => {
      try {
        const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
        peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
      } catch {
        // It has ended.
      }
    }, 5);
    const chunks = [];
    child.stdout.on('data', chunk => chunks.push(chunk));
    child.once('error', reject);
    child.once('close', () => {
      clearInterval(timer);
      resolve({
        output: Buffer.concat(chunks).toString(),
        ms: performance.now() - start,
        peakMb: peak / 1024,
      });
    });
    child.stdin.end(input);
  });
}

const hex = addresses => addresses.map(address => `0x${address.toString(16)}\n`).join('');

export async function llvmSymbolizer({ debug }, addresses) {
  const { output, ...cost } = await measured(
    'llvm-symbolizer',
    [`--obj=${debug}`, '--inlines', '--no-demangle'],
    hex(addresses),
  );
  const frames = output
    .trimEnd()
    .split('\n\n')
    .map(block => {
      const lines = block.trim().split('\n');
      return Array.from({ length: lines.length / 2 }, (_, i) => frame(lines[2 * i], lines[2 * i + 1]));
    });
  return { frames, ...cost };
}

export async function addr2line({ debug }, addresses) {
  const { output, ...cost } = await measured('addr2line', ['-a', '-i', '-f', '-e', debug], hex(addresses));
  const frames = output
    .split(/^0x[0-9a-f]{16}\n/m)
    .slice(1)
    .map(block => {
      const lines = block.trimEnd().split('\n');
      return Array.from({ length: lines.length / 2 }, (_, i) => frame(lines[2 * i], lines[2 * i + 1]));
    });
  return { frames, ...cost };
}

/** `go tool addr2line` gives one line: the outermost function, and where the innermost inlined call stands. */
export async function goAddr2line({ debug }, addresses) {
  const { output, ...cost } = await measured('go', ['tool', 'addr2line', debug], hex(addresses));
  const lines = output.split('\n');
  return { frames: addresses.map((_, row) => [frame(lines[2 * row], lines[2 * row + 1])]), ...cost };
}

function frame(name, place) {
  // Go says -1 where there is no line.
  const match = /^(.*?):(-?\d+|\?)(?::\d+)?(?: \(discriminator \d+\))?$/.exec(place);
  return {
    name: name === '??' ? '' : name,
    file: match[1] === '??' ? '' : match[1],
    line: match[2] === '?' ? 0 : Math.max(0, Number(match[2])),
  };
}

export const goVersion = () => execFileSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' }).trim().slice(2);

export const versionOf = tool =>
  /(\d+\.\d+(\.\d+)?)/.exec(execFileSync(tool, ['--version'], { encoding: 'utf8' }))?.[1] ?? '';
