// SPDX-License-Identifier: Apache-2.0
import { createRequire } from 'node:module';

const addon = createRequire(import.meta.url)('./build/Release/bpf.node');
export const { Profiler, Watch, probe } = addon;
