// SPDX-License-Identifier: Apache-2.0
// Spans of OpenTelemetry's SDK, set up after profiling began.
import http from 'node:http';
import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { isTracingSuppressed } from '@opentelemetry/core';
import { BasicTracerProvider, TraceIdRatioBasedSampler } from '@opentelemetry/sdk-trace-base';
import * as client from 'stackwell/client';
import { burnHot, burnWarm, spin } from './work.cjs';

client.init({
  serverUrl: process.argv[2],
  serviceName: 'traced',
  windowSeconds: 1,
  heap: false,
  wall: false,
});
client.start();
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
trace.setGlobalTracerProvider(new BasicTracerProvider());
const tracer = trace.getTracer('test');
// The end of a window is when tracing that came later is seen.
await new Promise(resolve => setTimeout(resolve, 1200));
const told = { pushes: [] };
const { request } = http;
http.request = (...args) => {
  told.pushes.push(isTracingSuppressed(context.active()));
  return request(...args);
};
await client.wrapWithLabels({ route: '/traced' }, () =>
  tracer.startActiveSpan('outer', async outer => {
    await null;
    burnHot(400);
    await tracer.startActiveSpan('inner', async inner => {
      await new Promise(resolve => setTimeout(resolve, 5));
      burnWarm(400);
      told.inner = inner.spanContext();
      inner.end();
    });
    told.after = client.getLabels();
    told.outer = outer.spanContext();
    outer.end();
  }),
);
told.outside = client.getLabels();
const quiet = new BasicTracerProvider({ sampler: new TraceIdRatioBasedSampler(0) }).getTracer('test');
quiet.startActiveSpan('unsampled', span => {
  told.unsampled = client.getLabels();
  span.end();
});
spin(50);
await client.stop();
tracer.startActiveSpan('later', span => {
  told.later = client.getLabels();
  span.end();
});
console.log(JSON.stringify(told));
