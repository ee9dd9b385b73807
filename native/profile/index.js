// SPDX-License-Identifier: Apache-2.0
import { createRequire } from 'node:module';

// script/test-asan points this to a build with sanitizers.
const path = process.env.STACKWELL_PROFILE_ADDON ?? './build/Release/profile.node';
const addon = createRequire(import.meta.url)(path);
export const {
  decode,
  encode,
  convertOtlp,
  convertStacks,
  SymbolWriter,
  Matcher,
  Merger,
  Delta,
  matchingRules,
  sumProfiles,
} = addon;
