// SPDX-License-Identifier: Apache-2.0
// Burns CPU in two functions, profiles itself with pyroscope-go, pushes, and says what it burnt: nanoseconds of the
// process's CPU time by function, as JSON.
package main

import (
	"encoding/json"
	"log"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/grafana/pyroscope-go"
)

var sink uint64

//go:noinline
func hash(seed uint64) uint64 {
	for i := 0; i < 1_000_000; i++ {
		seed = seed*6364136223846793005 + 1442695040888963407
	}
	return seed
}

//go:noinline
func divide(seed uint64) uint64 {
	for i := uint64(1); i < 200_000; i++ {
		seed += (seed | 1<<63) / i
	}
	return seed
}

func cpu() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// burn calls work until it has used this much CPU time.
func burn(work func(uint64) uint64, amount time.Duration) time.Duration {
	start := cpu()
	for cpu()-start < amount {
		sink = work(sink)
	}
	return cpu() - start
}

// kept is memory that is alive when the heap is profiled.
var kept [][]byte

//go:noinline
func keep(megabytes int) {
	for i := 0; i < megabytes; i++ {
		kept = append(kept, make([]byte, 1<<20))
	}
}

func main() {
	seconds, err := strconv.ParseFloat(os.Args[2], 64)
	if err != nil {
		log.Fatal(err)
	}
	// Every allocation is sampled, so that sums are exact.
	runtime.MemProfileRate = 1
	profiler, err := pyroscope.Start(pyroscope.Config{
		ApplicationName: "burner",
		ServerAddress:   os.Args[1],
		UploadRate:      time.Hour,
		Tags:            map[string]string{"region": "eu", "deploy": "v1"},
		Logger:          logger{},
		ProfileTypes: []pyroscope.ProfileType{
			pyroscope.ProfileCPU,
			pyroscope.ProfileAllocObjects, pyroscope.ProfileAllocSpace,
			pyroscope.ProfileInuseObjects, pyroscope.ProfileInuseSpace,
			pyroscope.ProfileGoroutines,
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	keep(20)
	// A heap profile is of the last collection but one.
	runtime.GC()
	runtime.GC()
	burnt := map[string]int64{
		"main.hash":   int64(burn(hash, time.Duration(seconds*2/3*float64(time.Second)))),
		"main.divide": int64(burn(divide, time.Duration(seconds/3*float64(time.Second)))),
	}
	profiler.Flush(true)
	if err := profiler.Stop(); err != nil {
		log.Fatal(err)
	}
	runtime.KeepAlive(kept)
	if err := json.NewEncoder(os.Stdout).Encode(burnt); err != nil {
		log.Fatal(err)
	}
}

// logger ends the program when a push fails.
type logger struct{}

func (logger) Infof(string, ...interface{})  {}
func (logger) Debugf(string, ...interface{}) {}
func (logger) Errorf(format string, values ...interface{}) {
	log.Fatalf(format, values...)
}
