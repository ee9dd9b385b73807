// SPDX-License-Identifier: Apache-2.0

// bakery ADDRESS: serves net/http/pprof, and does known amounts of what its profiles tell:
// allocates 100 objects of 64 KiB a second in main.bake, holds 32 MiB from main.stock, has 7 goroutines that wait for ever
// in main.queue, two that fight for a lock which the other one holds half of the time (main.oven), and one that waits for
// a channel nearly all of the time (main.counter). GET /truth says what it did so far.
package main

import (
	"encoding/json"
	"net/http"
	_ "net/http/pprof"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

func init() {
	// Everything is recorded: numbers are exact.
	runtime.MemProfileRate = 1
	runtime.SetMutexProfileFraction(1)
	runtime.SetBlockProfileRate(1)
}

const loafBytes = 64 << 10

var (
	loaves, waits, waited atomic.Int64
	shelf                 []byte
	stores                [][]byte
)

//go:noinline
func bake() []byte { return make([]byte, loafBytes) }

//go:noinline
func stock() []byte { return make([]byte, 1<<20) }

//go:noinline
func queue(forever chan struct{}) { <-forever }

//go:noinline
func oven(lock *sync.Mutex) {
	for {
		lock.Lock()
		time.Sleep(5 * time.Millisecond)
		lock.Unlock()
		time.Sleep(time.Millisecond)
	}
}

//go:noinline
func counter(tickets chan struct{}) {
	for {
		since := time.Now()
		<-tickets
		waited.Add(int64(time.Since(since)))
		waits.Add(1)
	}
}

func main() {
	for i := 0; i < 32; i++ {
		stores = append(stores, stock())
	}
	// What was allocated is in the profile after the collection that follows.
	runtime.GC()
	forever := make(chan struct{})
	for i := 0; i < 7; i++ {
		go queue(forever)
	}
	var lock sync.Mutex
	go oven(&lock)
	go oven(&lock)
	tickets := make(chan struct{})
	go counter(tickets)
	go func() {
		for range time.Tick(20 * time.Millisecond) {
			tickets <- struct{}{}
		}
	}()
	go func() {
		for range time.Tick(100 * time.Millisecond) {
			runtime.GC()
		}
	}()
	go func() {
		began := time.Now()
		for range time.Tick(10 * time.Millisecond) {
			// As many as are due, however late the tick is.
			for due := int64(time.Since(began) / (10 * time.Millisecond)); loaves.Load() < due; loaves.Add(1) {
				shelf = bake()
			}
		}
	}()
	http.HandleFunc("/truth", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]int64{
			"loaves": loaves.Load(), "waits": waits.Load(), "waitedNanos": waited.Load(),
		})
	})
	if err := http.ListenAndServe(os.Args[1], nil); err != nil {
		println(err.Error())
		os.Exit(1)
	}
}
