# SPDX-License-Identifier: Apache-2.0
{
  "includes": ["../common.gypi"],
  # libbpf is linked in; Debian's libelf.a is not position-independent, so that stays a shared library.
  "targets": [{ "target_name": "bpf", "sources": ["<!@(node ../sources.cjs)"], "libraries": ["<!(node libbpf.cjs)", "-lelf", "-lz"] }],
}
