// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdint.h>

struct context_record {
  uint8_t trace_id[16];
  uint8_t span_id[8];
  uint8_t valid;
  uint8_t flags;
  uint16_t attributes_size;
  uint8_t attributes[100];
} __attribute__((packed, aligned(8)));

void context_attach(struct context_record *record);
