// SPDX-License-Identifier: Apache-2.0

// C below Go.
package main

/*
__attribute__((noinline)) int innermost(int number) {
  __asm__ volatile("nop");
  return number + 1;
}

__attribute__((noinline)) int called(int number) { return 2 * innermost(number); }
*/
import "C"

import "runtime"

//go:noinline
func calls(number int) int {
	return int(C.called(C.int(number))) + 1
}

func init() {
	runtime.LockOSThread()
}

func main() {
	if calls(3) == 0 {
		println("never")
	}
}
