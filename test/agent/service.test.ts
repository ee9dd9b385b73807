// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';
import type { ContainerInfo } from '../../src/agent/containers/info.js';
import { programOf } from '../../src/agent/profiling/program.js';
import {
  containerLabels,
  deployOf,
  type Facts,
  imageVersion,
  resourceAttributes,
  serviceName,
} from '../../src/agent/profiling/service.js';

describe('program', () => {
  test.each<[string, string, string]>([
    // executable, arguments, name
    ['/usr/sbin/nginx', 'nginx: worker', 'nginx'],
    ['/opt/shop/checkout (deleted)', './checkout --port 80', 'checkout'],
    ['', 'something', 'something'],
    ['', '', 'comm'],
    ['/usr/bin/python3.11', 'python3 -u /srv/shop/worker.py --fast', 'worker'],
    ['/usr/bin/python3.11', 'python3 -X dev -W ignore app.py', 'app'],
    ['/usr/bin/python3.11', 'python3 -m http.server 80', 'http.server'],
    ['/usr/bin/python3.11', 'python3 -um pkg.tool', 'pkg.tool'],
    ['/usr/bin/python3.11', 'python3 -c print(1)', 'python'],
    ['/usr/bin/python3.11', '/usr/bin/python3 /usr/bin/gunicorn app:app', 'gunicorn'],
    ['/usr/bin/python3.11', 'python3', 'python'],
    ['/usr/bin/node', 'node --max-old-space-size=4096 -r dotenv/config dist/server.js', 'server'],
    ['/usr/bin/node', 'node --import ./x.mjs main.mjs', 'main'],
    ['/usr/bin/node', 'node -e 1', 'node'],
    ['/usr/bin/ruby3.1', 'ruby -I lib bin/rails server', 'rails'],
    ['/usr/bin/perl', 'perl -w /usr/sbin/spamd.pl', 'spamd'],
    ['/usr/bin/bash', 'bash /opt/backup.sh', 'backup'],
    ['/usr/bin/bash', '-bash', 'bash'],
    ['/usr/bin/dash', 'sh -c sleep', 'dash'],
    ['/usr/bin/bash', 'bash -euo pipefail job.sh', 'job'],
    ['/bin/busybox', 'sleep 5', 'sleep'],
    ['/bin/busybox', '/bin/busybox httpd -f', 'httpd'],
    ['/bin/busybox', 'sh /run.sh', 'run'],
    ['/jdk/bin/java', 'java -Xmx1g -cp a.jar:b.jar -ea com.acme.Main arg', 'com.acme.Main'],
    ['/jdk/bin/java', 'java -Dx=y -jar /opt/shop-1.4.2-SNAPSHOT.jar --x', 'shop'],
    ['/jdk/bin/java', 'java -jar api.jar', 'api'],
    ['/jdk/bin/java', 'java --module-path mods -m shop.web/shop.web.Main', 'shop.web.Main'],
    ['/jdk/bin/java', 'java @args', 'java'],
  ])('%s, run as "%s", is %s', (executable, args, name) => {
    const list = args === '' ? [] : args.split(' ');
    expect(programOf(executable, list, 'comm').name).toBe(name);
  });

  test('a program that was run from memory goes by what it was called', () =>
    expect(programOf('/memfd:sealed-91173221 (deleted)', ['/usr/sbin/init'], 'comm').name).toBe('init'));

  test('a runtime that wrote over its arguments is itself', () =>
    expect(programOf('/usr/bin/node', ['a title that it gave itself'], 'comm').name).toBe('node'));

  test('a jar is named as it was written', () =>
    expect(programOf('/jdk/bin/java', ['java', '-jar', 'libs/api-2.jar'], '').jar).toBe('libs/api-2.jar'));

  test('a hostile script name is cleaned', () =>
    expect(programOf('/usr/bin/python3', ['python3', '/tmp/\u001b[2J\u202eevil.py'], '').name).toBe(
      '[2Jevil',
    ));
});

const container: ContainerInfo = {
  id: 'c0ffee',
  runtime: 'containerd',
  name: 'web',
  pod: 'web-0',
  podUid: 'u',
  namespace: 'shop',
  image: 'registry:5000/shop/web:v7',
  labels: { 'app.kubernetes.io/name': 'storefront', app: 'front', 'app.kubernetes.io/version': '7.1' },
};
const all: Facts = {
  configuredName: 'configured',
  configuredDeploy: 'release-1',
  container,
  unit: 'web.unit',
  environment: new Map([
    ['OTEL_SERVICE_NAME', 'otel-name'],
    ['OTEL_RESOURCE_ATTRIBUTES', 'service.name=otel-attribute,service.version=2.0'],
  ]),
  program: 'program',
  mainFile: 'abcdef',
};

/** Each step with its changes and those of all steps before it. */
function accumulated(steps: [string, Partial<Facts>][]): [string, Facts][] {
  return steps.map(([name], i) => [
    name,
    Object.assign({}, all, ...steps.slice(0, i + 1).map(step => step[1])),
  ]);
}

describe('service name: each rule, when those before it have nothing', () => {
  const steps: [string, Partial<Facts>][] = [
    ['configured', {}],
    ['storefront', { configuredName: '' }],
    ['front', { container: { ...container, labels: { app: 'front' } } }],
    ['web', { container: { ...container, labels: {} } }],
    ['otel-name', { container: { ...container, labels: {}, name: '' } }],
    [
      'otel-attribute',
      { environment: new Map([['OTEL_RESOURCE_ATTRIBUTES', 'service.name=otel-attribute']]) },
    ],
    ['web.unit', { environment: new Map() }],
    ['program', { unit: '' }],
    ['unknown', { program: '' }],
  ];
  test.each(accumulated(steps))('%s', (name, given) => expect(serviceName(given)).toBe(name));
});

describe('deploy: each rule, when those before it have nothing', () => {
  const steps: [string, Partial<Facts>][] = [
    ['release-1', {}],
    ['7.1', { configuredDeploy: '' }],
    ['v7', { container: { ...container, labels: {} } }],
    ['2.0', { container: { ...container, labels: {}, image: '' } }],
    ['abcdef', { environment: new Map() }],
    ['', { mainFile: '' }],
  ];
  test.each(accumulated(steps))('%j', (name, given) => expect(deployOf(given)).toBe(name));
});

test.each([
  ['web:v7', 'v7'],
  ['registry:5000/web', ''],
  ['registry:5000/a/web:1.2-rc.1', '1.2-rc.1'],
  ['web:latest', ''],
  [`web:latest@sha256:${'ab'.repeat(32)}`, 'abababababab'],
  [`web:v7@sha256:${'ab'.repeat(32)}`, 'v7'],
  [`sha256:${'cd'.repeat(32)}`, 'cdcdcdcdcdcd'],
  ['', ''],
])('image %s is version %j', (image, version) => expect(imageVersion(image)).toBe(version));

test('resource attributes', () =>
  expect([...resourceAttributes('a=1, b = x%2Cy ,=no,bad,c=50%,d=')]).toEqual([
    ['a', '1'],
    ['b', 'x,y'],
    ['c', '50%'],
    ['d', ''],
  ]));

test('labels of a container are those that are known', () => {
  expect(containerLabels(container)).toEqual({
    container: 'web',
    container_id: 'c0ffee',
    pod: 'web-0',
    namespace: 'shop',
    image: 'registry:5000/shop/web:v7',
  });
  expect(containerLabels({ ...container, pod: '', namespace: '', image: '', name: '' })).toEqual({
    container_id: 'c0ffee',
  });
  expect(containerLabels(null)).toEqual({});
});
