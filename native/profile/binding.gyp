# SPDX-License-Identifier: Apache-2.0
{
  "includes": ["../common.gypi"],
  "targets": [{ "target_name": "profile", "sources": ["<!@(node ../sources.cjs)"], "libraries": ["-lz", "-l:libzstd.a", "-l:libre2.a"] }],
}
