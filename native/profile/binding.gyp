# SPDX-License-Identifier: Apache-2.0
# RE2 is linked dynamically: Debian's static one is not built for shared objects (thread-local relocations).
{
  "includes": ["../common.gypi"],
  "targets": [{ "target_name": "profile", "sources": ["<!@(node ../sources.cjs)"], "libraries": ["-lz", "-l:libzstd.a", "-lre2"] }],
}
