// SPDX-License-Identifier: Apache-2.0

// Goroutines, and the runtime's work on the stack of their thread.
package main

import "runtime"

//go:noinline
func leaf(number int) int {
	return number + 1
}

//go:noinline
func middle(number int) int {
	var room [200]int
	room[number%200] = leaf(number)
	return room[0] + room[199] + 1
}

//go:noinline
func measured(number int) uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.Mallocs + uint64(number)
}

// The main goroutine stays on the main thread, where it is found.
func init() {
	runtime.LockOSThread()
}

func main() {
	if middle(3) > 0 && measured(2) == 0 {
		println("never")
	}
}
