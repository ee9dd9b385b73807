// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { durationMs } from '../../src/config/config.js';
import { loadConfig } from '../../src/config/load.js';
import { StackwellError } from '../../src/errors.js';

const folder = mkdtempSync(join(tmpdir(), 'stackwell-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(text: string): string {
  const path = join(folder, 'config.yaml');
  writeFileSync(path, text);
  return path;
}

function refused(text: string): StackwellError {
  try {
    loadConfig(file(text));
  } catch (error) {
    expect(error).toBeInstanceOf(StackwellError);
    expect((error as StackwellError).code).toBe('SW_CONFIG_INVALID');
    return error as StackwellError;
  }
  throw new Error('was accepted');
}

describe('configuration', () => {
  test('everything has a default', () => {
    const config = loadConfig(undefined);
    expect(config.server.listen).toBe('127.0.0.1:4040');
    expect(config.agent.hz).toBe(19);
  });

  test('the file is read, the command line wins', () => {
    const path = file('agent:\n  hz: 49\n  offCpu: { min: 5ms }\nserver:\n  listen: 127.0.0.1:9\n');
    const config = loadConfig(path, [
      [['server', 'listen'], '127.0.0.1:10'],
      [['agent', 'data'], undefined],
    ]);
    expect(config.agent.hz).toBe(49);
    expect(config.agent.offCpu.min).toBe('5ms');
    expect(config.server.listen).toBe('127.0.0.1:10');
  });

  test.each([
    ['an unknown key', 'agent:\n  hz: 19\n  hertz: 20\n', 1],
    ['a wrong type', 'agent:\n  hz: fast\n', 2],
    ['out of range', 'server: {}\nagent:\n  hz: 5000\n', 3],
    ['a bad duration', 'agent:\n  offCpu:\n    min: 5 parsecs\n', 3],
    ['broken YAML', 'agent:\n  hz: [1\nserver: {}\n', 3],
  ])('%s is refused with its line', (_, text, line) => {
    const { message } = refused(text);
    const found = Number(/config\.yaml:(\d+)/.exec(message)?.[1]);
    expect(Math.abs(found - line)).toBeLessThanOrEqual(1);
  });

  test('a file that is not there, a list, and an alias bomb are refused', () => {
    expect(() => loadConfig(join(folder, 'missing.yaml'))).toThrowError(
      expect.objectContaining({ code: 'SW_CONFIG_INVALID' }),
    );
    refused('- 1\n- 2\n');
    const bomb = ['a: &a [x,x,x,x,x,x,x,x,x]'];
    for (let i = 0; i < 20; i++)
      bomb.push(`b${i}: &b${i} [*${i === 0 ? 'a' : `b${i - 1}`},*${i === 0 ? 'a' : `b${i - 1}`}]`);
    refused(bomb.join('\n'));
  });

  test('a flag with a bad value is named as such', () => {
    expect(() => loadConfig(undefined, [[['agent', 'hz'], Number.NaN]])).toThrowError(
      expect.objectContaining({ code: 'SW_CONFIG_INVALID', message: expect.stringContaining('agent.hz') }),
    );
  });

  test('durations', () => {
    expect(['500ms', '10s', '15m', '24h', '31d'].map(durationMs)).toEqual([
      500, 10e3, 900e3, 86400e3, 2678400e3,
    ]);
    expect(() => durationMs('10')).toThrow();
  });
});
