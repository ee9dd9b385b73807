# SPDX-License-Identifier: Apache-2.0
{
  "includes": ["../common.gypi"],
  # Debian's libbpf.a and libelf.a are not position-independent, so they cannot become part of an addon.
  "targets": [{ "target_name": "bpf", "sources": ["<!@(node ../sources.cjs)"], "libraries": ["-lbpf"] }],
}
