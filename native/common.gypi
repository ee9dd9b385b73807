# SPDX-License-Identifier: Apache-2.0
# Settings of all three addons. Each addon is its own node-gyp project, so that each process loads only what it
# needs (the server never maps libbpf) and a change in one rebuilds one.
{
  "target_defaults": {
    "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
    "defines": ["NAPI_VERSION=8", "NAPI_CPP_EXCEPTIONS"],
    "cflags_cc": ["-std=c++20", "-fexceptions", "-frtti", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-fvisibility=hidden"],
    "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20"],
    "cflags!": ["-fno-exceptions"],
    "ldflags": ["-Wl,--exclude-libs,ALL", "-Wl,--gc-sections"],
  },
}
