// SPDX-License-Identifier: Apache-2.0

// ledger SECONDS: spends 70 % of its CPU in main.reconcile and 30 % in main.audit, both called by main.settle. Rounds
// differ in length: a sampler's period must not be a multiple of theirs.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// enter makes its caller a function with a frame: Go gives none to one that calls nothing, and whoever called that one
// would be missing from the stack.
//
//go:noinline
func enter(x uint64) uint64 { return x | 1 }

//go:noinline
func reconcile(x uint64, unit int) uint64 {
	x = enter(x)
	for i := 0; i < 7*unit; i++ {
		x = x*6364136223846793005 + 1442695040888963407 // burn: reconcile
	}
	return x
}

//go:noinline
func audit(x uint64, unit int) uint64 {
	x = enter(x)
	for i := 0; i < 3*unit; i++ {
		x = x*6364136223846793005 + 1442695040888963407 // burn: audit
	}
	return x
}

//go:noinline
func settle(x uint64) uint64 {
	unit := 50_000 + int(x>>40%100_000)
	return audit(reconcile(x, unit), unit)
}

func main() {
	seconds, _ := strconv.ParseFloat(os.Args[1], 64)
	until := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	x := uint64(1)
	for time.Now().Before(until) {
		x = settle(x)
	}
	fmt.Println(x)
}
