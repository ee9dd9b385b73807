# SPDX-License-Identifier: Apache-2.0
# RE2 is linked dynamically: Debian's static one is not built for shared objects (thread-local relocations).
# A worker thread that is being stopped refuses JavaScript exceptions, which would end the process: they are swallowed.
{
  "includes": ["../common.gypi"],
  "targets": [{ "target_name": "profile", "defines": ["NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"], "sources": ["<!@(node ../sources.cjs)"], "libraries": ["-lz", "-l:libdeflate.a", "-l:libzstd.a", "-lre2"] }],
}
