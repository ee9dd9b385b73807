// SPDX-License-Identifier: Apache-2.0
// Writes real profiles of itself, made by runtime/pprof: a CPU profile with sample labels to the first argument, a heap
// profile to the second.
package main

import (
	"context"
	"os"
	"runtime"
	"runtime/pprof"
	"sort"
	"strings"
	"time"
)

var sink int

func fibonacci(n int) int {
	if n < 2 {
		return n
	}
	return fibonacci(n-1) + fibonacci(n-2)
}

func sorted(n int) int {
	words := make([]string, n)
	for i := range words {
		words[i] = strings.Repeat("x", (i*7919)%31)
	}
	sort.Strings(words)
	return len(words[0])
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	// Often enough that a heap of a few functions shows all of them.
	runtime.MemProfileRate = 512
	cpu, err := os.Create(os.Args[1])
	must(err)
	runtime.SetCPUProfileRate(500)
	must(pprof.StartCPUProfile(cpu))
	end := time.Now().Add(600 * time.Millisecond)
	for i := 0; time.Now().Before(end); i++ {
		labels := pprof.Labels("request", []string{"fib", "sort"}[i%2])
		pprof.Do(context.Background(), labels, func(context.Context) {
			if i%2 == 0 {
				sink += fibonacci(24)
			} else {
				sink += sorted(2000)
			}
		})
	}
	pprof.StopCPUProfile()
	must(cpu.Close())
	heap, err := os.Create(os.Args[2])
	must(err)
	must(pprof.WriteHeapProfile(heap))
	must(heap.Close())
}
