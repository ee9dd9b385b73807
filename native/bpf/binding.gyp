# SPDX-License-Identifier: Apache-2.0
{
  "includes": ["../common.gypi"],
  "targets": [{ "target_name": "bpf", "sources": ["<!@(node ../sources.cjs)"], "libraries": ["-l:libbpf.a", "-l:libelf.a", "-lz", "-l:libzstd.a"] }],
}
