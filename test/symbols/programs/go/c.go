// SPDX-License-Identifier: Apache-2.0
//go:build cgo

package main

// #include <stdlib.h>
// static int compare(const void* a, const void* b) { return *(const int*)a - *(const int*)b; }
// __attribute__((noinline)) int c_sorted(int n) {
//   int list[4] = {n, 2, 1, 4};
//   qsort(list, 4, sizeof list[0], compare);
//   return list[0];
// }
import "C"

func extra() int { return int(C.c_sorted(3)) }
