/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * CPython's trampolines (`python -X perf`): a few instructions for each Python function, copied to memory of
 * their own, that call the interpreter. On x86-64 those of 3.12 and 3.13 keep no frame pointer, and are all
 * the same: sub rsp, 8; call rcx; add rsp, 8; ret.
 */
#pragma once

#define SW_PYTHON_CALL_BYTES 6 /* up to where the call returns to */
#define SW_PYTHON_CODE 0x8348d1ff08ec8348ull
#define SW_PYTHON_CODE_END 0xc308c4ull
#define SW_PYTHON_CODE_END_MASK 0xffffffull

/* Goes on to the caller of a trampoline that called the interpreter; false if walk->pc is in none. */
static __always_inline bool sw_by_python_trampoline(struct sw_walk *walk, struct task_struct *other) {
#if defined(__TARGET_ARCH_arm64)
  return false; /* there it keeps the frame pointer */
#else
  __u64 code[2], to;
  if (!sw_read(code, sizeof(code), walk->pc - SW_PYTHON_CALL_BYTES, other)) return false;
  if (code[0] != SW_PYTHON_CODE || (code[1] & SW_PYTHON_CODE_END_MASK) != SW_PYTHON_CODE_END) return false;
  if (!sw_read(&to, sizeof(to), walk->sp + 8, other)) return false;
  walk->pc = to;
  walk->sp += 16;
  return true;
#endif
}
