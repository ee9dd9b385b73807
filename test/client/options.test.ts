// SPDX-License-Identifier: Apache-2.0
import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import { Client } from '../../src/client/client.js';
import { mergeLabels, NO_LABELS } from '../../src/client/labels.js';
import { type ClientOptions, settingsOf } from '../../src/client/options.js';
import { StackwellError } from '../../src/errors.js';

const settings = (options: ClientOptions = {}, env = {}, argv = ['/usr/bin/node', '/srv/app/orders.mjs']) =>
  settingsOf(options, env, argv);

describe('options', () => {
  it('have defaults that work beside a server on the same machine', () => {
    const { url, headers, labels, sourceMaps, windowMs, hz } = settings();
    expect([url.href, headers, sourceMaps, windowMs, hz]).toEqual([
      'http://127.0.0.1:4040/',
      {},
      ['/srv/app'],
      15_000,
      100,
    ]);
    expect(labels).toEqual({
      service_name: 'orders',
      host: hostname(),
      profiler: 'stackwell-client',
      process_runtime_name: 'nodejs',
      process_runtime_version: process.versions.node,
    });
  });

  it('name service and deploy by the rules of the agent', () => {
    const otel = {
      OTEL_SERVICE_NAME: 'by-name',
      OTEL_RESOURCE_ATTRIBUTES: 'service.name=by-attribute,service.version=v7%20rc',
    };
    const named = (options: ClientOptions, env: object) => {
      const { service_name, deploy } = settings(options, env).labels;
      return [service_name, deploy];
    };
    expect(named({}, otel)).toEqual(['by-name', 'v7 rc']);
    expect(named({}, { ...otel, OTEL_SERVICE_NAME: '' })).toEqual(['by-attribute', 'v7 rc']);
    const env = { ...otel, STACKWELL_SERVICE_NAME: 'by-env', STACKWELL_DEPLOY: 'v8' };
    expect(named({}, env)).toEqual(['by-env', 'v8']);
    expect(named({ serviceName: 'by-option', deploy: 'v9' }, env)).toEqual(['by-option', 'v9']);
    // A version that npm knows is none: see docs/node-client.md.
    expect(named({}, { npm_package_version: '1.2.3' })).toEqual(['orders', undefined]);
  });

  it('come from the environment where they are absent', () => {
    const env = {
      STACKWELL_SERVER_URL: 'https://stackwell.example/below',
      STACKWELL_TOKEN: 'abc',
      STACKWELL_TENANT: 't1',
    };
    const { url, headers } = settings({}, env);
    expect([url.href, headers]).toEqual([
      'https://stackwell.example/below',
      { authorization: 'Bearer abc', 'x-scope-orgid': 't1' },
    ]);
    expect(settings({ serverUrl: 'http://127.0.0.1:1', tenant: 't2' }, env).headers['x-scope-orgid']).toBe(
      't2',
    );
  });

  it('keep credentials out of the address, which warnings show', () => {
    const { url, headers } = settings({ serverUrl: 'http://me:secret@127.0.0.1:1/' });
    expect([url.href, headers.authorization]).toEqual([
      'http://127.0.0.1:1/',
      `Basic ${Buffer.from('me:secret').toString('base64')}`,
    ]);
  });

  const bad: [string, unknown][] = [
    ['null', null],
    ['an option that there is not', { servername: 'x' }],
    ['one that every object has', { constructor: 'x' }],
    ['an address that is none', { serverUrl: 'nowhere' }],
    ['a scheme that is not of the web', { serverUrl: 'file:///etc/passwd' }],
    ['an empty name', { serviceName: '' }],
    ['a name that is no text', { serviceName: 7 }],
    ['an empty deploy', { deploy: ' ' }],
    ['a label with a bad name', { labels: { 'a-b': 'x' } }],
    ['a private label', { labels: { __name__: 'x' } }],
    ['a label with an option of its own', { labels: { deploy: 'x' } }],
    ['a label that is no text', { labels: { a: {} } }],
    [
      'too many labels',
      { labels: Object.fromEntries(Array.from({ length: 33 }, (_, at) => [`l${at}`, 'x'])) },
    ],
    ['half of a password', { basicAuth: { username: 'x' } }],
    ['two ways to say who', { basicAuth: { username: 'x', password: 'y' }, bearerToken: 'z' }],
    ['a header that is two', { headers: { a: 'b\r\nc: d' } }],
    ['a header without a name', { headers: { 'a b': 'c' } }],
    ['a tenant that is two headers', { tenant: 'a\nb' }],
    ['no rate', { hz: 0 }],
    ['not a number', { hz: Number.NaN }],
    ['a number as text', { windowSeconds: '10' }],
    ['a window of an hour', { windowSeconds: 3600 }],
    ['a tiny queue', { queueBytes: 10 }],
    ['a switch that is none', { heap: 'yes' }],
    ['maps that are no folders', { sourceMaps: [1] }],
    ['a logger that cannot warn', { logger: {} }],
  ];
  it.each(bad)('%s is refused', (_, options) => {
    let code = '';
    try {
      settings(options as ClientOptions);
    } catch (error) {
      code = (error as StackwellError).code;
    }
    expect(code).toBe('SW_CLIENT_OPTIONS');
  });
});

describe('labels of samples', () => {
  it('that are none are left out and counted; what is long is cut', () => {
    let refused = 0;
    const merge = (base: Readonly<Record<string, string>>, set: object) =>
      mergeLabels(base, set as Record<string, string>, count => {
        refused += count;
      });
    const labels = merge(NO_LABELS, {
      a: 'x',
      'b-c': 'y',
      __d: 'z',
      e: {},
      f: Number.NaN,
      g: 5,
      h: 'long'.repeat(1000),
    });
    expect(labels).toEqual({ a: 'x', g: '5', h: 'long'.repeat(64) });
    expect(refused).toBe(4);
    const many = merge(labels, Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`m${at}`, 'x'])));
    expect(Object.keys(many)).toHaveLength(16);
    expect(refused).toBe(4 + 27);
    expect(merge(many, { a: 'again' }).a).toBe('again');
    expect(merge(many, null as unknown as object)).toEqual(many);
  });
});

describe('what is not running', () => {
  it('runs calls as they are and answers everything', async () => {
    const client = new Client(settings());
    expect(client.run({ a: 'b' }, () => 7)).toBe(7);
    expect(() =>
      client.run({ a: 'b' }, () => {
        throw new TypeError('of the application');
      }),
    ).toThrow(TypeError);
    client.setLabels({ a: 'b' });
    expect(client.labels()).toEqual({});
    await client.stop();
    expect(client.stats()).toMatchObject({ taken: 0, labels: null });
  });
});

it('errors of the client are of the table', () => {
  expect(new StackwellError('SW_CLIENT_PUSH', { url: 'x', reason: 'y' }).status).toBe(502);
});
