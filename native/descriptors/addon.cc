// SPDX-License-Identifier: Apache-2.0
#include "functions.h"

// No state: every function works on its arguments, so any number of threads may load this addon.
static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("socketPair", Napi::Function::New(env, SocketPair));
  exports.Set("sendDescriptor", Napi::Function::New(env, SendDescriptor));
  exports.Set("connectAs", Napi::Function::New(env, ConnectAs));
  exports.Set("createAs", Napi::Function::New(env, CreateAs));
  exports.Set("openInRoot", Napi::Function::New(env, OpenInRoot));
  exports.Set("placeInRoot", Napi::Function::New(env, PlaceInRoot));
  exports.Set("openMapped", Napi::Function::New(env, OpenMapped));
  exports.Set("memoryFile", Napi::Function::New(env, MemoryFile));
  exports.Set("openProcess", Napi::Function::New(env, OpenProcess));
  exports.Set("signalProcess", Napi::Function::New(env, SignalProcess));
  return exports;
}

NODE_API_MODULE(descriptors, Init)
