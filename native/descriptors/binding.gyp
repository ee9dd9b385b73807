# SPDX-License-Identifier: Apache-2.0
{
  "includes": ["../common.gypi"],
  "targets": [{ "target_name": "descriptors", "sources": ["<!@(node ../sources.cjs)"] }],
}
