// SPDX-License-Identifier: Apache-2.0
import { createRequire } from 'node:module';

const addon = createRequire(import.meta.url)('./build/Release/descriptors.node');
export const {
  connectAs,
  createAs,
  memoryFile,
  openInRoot,
  openMapped,
  openProcess,
  placeInRoot,
  sendDescriptor,
  signalProcess,
  socketPair,
} = addon;
