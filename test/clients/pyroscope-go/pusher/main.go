// SPDX-License-Identifier: Apache-2.0

// pusher URL: pushes every type of profile that Pyroscope's own client for Go has, until it is stopped.
package main

import (
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/grafana/pyroscope-go"
)

var kept [][]byte

func main() {
	runtime.MemProfileRate = 1
	runtime.SetMutexProfileFraction(1)
	runtime.SetBlockProfileRate(1)
	_, err := pyroscope.Start(pyroscope.Config{
		ApplicationName: "pusher",
		ServerAddress:   os.Args[1],
		UploadRate:      3 * time.Second,
		ProfileTypes: []pyroscope.ProfileType{
			pyroscope.ProfileCPU,
			pyroscope.ProfileAllocObjects, pyroscope.ProfileAllocSpace,
			pyroscope.ProfileInuseObjects, pyroscope.ProfileInuseSpace,
			pyroscope.ProfileGoroutines,
			pyroscope.ProfileMutexCount, pyroscope.ProfileMutexDuration,
			pyroscope.ProfileBlockCount, pyroscope.ProfileBlockDuration,
		},
	})
	if err != nil {
		println(err.Error())
		os.Exit(1)
	}
	var lock sync.Mutex
	for i := 0; i < 2; i++ {
		go func() {
			for {
				lock.Lock()
				time.Sleep(time.Millisecond)
				lock.Unlock()
			}
		}()
	}
	for x := 1; ; x++ {
		kept = append(kept, make([]byte, 1000))
		for until := time.Now().Add(20 * time.Millisecond); time.Now().Before(until); x *= 3 {
		}
		runtime.GC()
	}
}
