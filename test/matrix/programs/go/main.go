// SPDX-License-Identifier: Apache-2.0

// kinds SECONDS NAME=WEIGHT...: as native/main.c, for what Go has of its own.
package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

var kinds = map[string]func(seconds float64){
	"leaf":         viaLeaf,
	"closures":     viaClosures,
	"interface":    viaInterface,
	"panic":        viaPanic,
	"sort":         viaSort,
	"library":      viaLibrary,
	"recursion":    viaRecursion,
	"goroutine":    viaGoroutine,
	"stack_growth": viaStackGrowth,
	"assembly":     viaAssembly,
	"clock":        viaClock,
	"channels":     viaChannels,
	"collector":    viaCollector,
	"sleep":        viaSleep,
	"wait":         viaWait,
}

// cpuSeconds is the CPU time of the process: a goroutine has no thread of its own.
func cpuSeconds() float64 {
	var now syscall.Timespec
	_, _, _ = syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, 2, uintptr(unsafe.Pointer(&now)), 0)
	return float64(now.Sec) + float64(now.Nsec)*1e-9
}

// until repeats body until the CPU time is used.
func until(seconds float64, body func()) {
	for done := cpuSeconds() + seconds; cpuSeconds() < done; {
		body()
	}
}

var sink uint64

// spin has no frame.
//
//go:noinline
func spin(x uint64, turns int) uint64 {
	for i := 0; i < turns; i++ {
		x = x*6364136223846793005 + 1442695040888963407
	}
	return x
}

//go:noinline
func burn(seconds float64) {
	for done := cpuSeconds() + seconds; cpuSeconds() < done; {
		sink = spin(sink, 20000)
	}
}

//go:noinline
func viaLeaf(seconds float64) {
	for done := cpuSeconds() + seconds; cpuSeconds() < done; {
		for i := 0; i < 10; i++ {
			sink = spin(sink, 3000)
		}
	}
}

//go:noinline
func withClosure(body func(float64), seconds float64) {
	body(seconds)
	sink++
}

//go:noinline
func viaClosures(seconds float64) {
	calls := 0
	withClosure(func(wanted float64) {
		calls++
		burn(wanted)
		sink += uint64(calls)
	}, seconds)
}

type shape interface{ draw(seconds float64) }
type square struct{ side int }
type picture struct{ shapes []shape }

//go:noinline
func (s *square) draw(seconds float64) {
	burn(seconds)
	s.side++
}

//go:noinline
func (p picture) draw(seconds float64) {
	for _, one := range p.shapes {
		one.draw(seconds / float64(len(p.shapes)))
	}
	sink++
}

//go:noinline
func viaInterface(seconds float64) {
	var all shape = picture{[]shape{&square{}, &square{}}}
	all.draw(seconds)
	sink++
}

// Burns in a deferred call, below which the runtime is on the stack.
//
//go:noinline
func cleanUp(seconds float64) {
	burn(seconds)
	sink++
}

//go:noinline
func panics(depth int, seconds float64) {
	if depth == 0 {
		panic("unwound")
	}
	defer cleanUp(seconds)
	panics(depth-1, seconds)
	sink++
}

//go:noinline
func viaPanic(seconds float64) {
	defer func() { _ = recover() }()
	panics(10, seconds/10)
}

//go:noinline
func lessSlowly(a, b int) bool { return spin(1, 500) != 0 && a < b }

//go:noinline
func viaSort(seconds float64) {
	until(seconds, func() {
		numbers := make([]int, 100)
		for i := range numbers {
			numbers[i] = i * 7919 % 100
		}
		sort.Slice(numbers, func(i, j int) bool { return lessSlowly(numbers[i], numbers[j]) })
	})
}

//go:noinline
func viaLibrary(seconds float64) {
	until(seconds, func() {
		prices := map[string]float64{}
		for i := 0; i < 50; i++ {
			prices[fmt.Sprintf("price of item %d", i*7919%50)] += float64(i) * 1.1
		}
		var out strings.Builder
		for item, price := range prices {
			fmt.Fprintf(&out, "%s %.3f\n", item, price)
		}
		sink += uint64(len(strings.Split(out.String(), "\n")))
	})
}

//go:noinline
func recurse(depth int, seconds float64) int {
	if depth == 1 {
		burn(seconds)
		return 1
	}
	return recurse(depth-1, seconds) + 1
}

//go:noinline
func viaRecursion(seconds float64) { sink += uint64(recurse(100, seconds)) }

//go:noinline
func inGoroutine(seconds float64, done chan bool) {
	burn(seconds)
	done <- true
}

//go:noinline
func viaGoroutine(seconds float64) {
	done := make(chan bool)
	go inGoroutine(seconds, done)
	<-done
}

// A new goroutine's stack is too small for this: it is copied to a larger one, by code on the thread's own stack.
//
//go:noinline
func grow(depth int) byte {
	var room [2048]byte
	room[depth%len(room)] = byte(depth)
	if depth > 0 {
		room[0] = grow(depth - 1)
	}
	return room[depth%7]
}

//go:noinline
func viaStackGrowth(seconds float64) {
	until(seconds, func() {
		done := make(chan bool)
		go func() {
			sink += uint64(grow(200))
			done <- true
		}()
		<-done
	})
}

// Assembly with frames of its own making.
//
//go:noinline
func viaAssembly(seconds float64) {
	text := bytes.Repeat([]byte("stack"), 20000)
	until(seconds, func() {
		sum := sha256.Sum256(text)
		sink += uint64(sum[0]) + uint64(bytes.IndexByte(text, 'x')) + uint64(bytes.Count(text, text[:1]))
	})
}

// In the vDSO, on the thread's own stack.
//
//go:noinline
func viaClock(seconds float64) {
	until(seconds, func() {
		for i := 0; i < 1000; i++ {
			sink += uint64(time.Now().Nanosecond())
		}
	})
}

// Mostly the scheduler.
//
//go:noinline
func viaChannels(seconds float64) {
	ping, pong := make(chan int), make(chan int)
	go func() {
		for one := range ping {
			pong <- one
		}
		close(pong)
	}()
	until(seconds, func() {
		for i := 0; i < 100; i++ {
			ping <- i
			<-pong
		}
	})
	close(ping)
	<-pong
}

type tree struct{ left, right *tree }

//go:noinline
func plant(depth int) *tree {
	if depth == 0 {
		return &tree{}
	}
	return &tree{plant(depth - 1), plant(depth - 1)}
}

//go:noinline
func viaCollector(seconds float64) {
	until(seconds, func() {
		if plant(14).left == nil {
			sink++
		}
	})
}

// The thread itself waits, in a system call, with the goroutine on it.
//
//go:noinline
func deeper(depth int, wait func(float64), seconds float64) {
	if depth == 0 {
		wait(seconds)
	} else {
		deeper(depth-1, wait, seconds)
	}
	sink++
}

//go:noinline
func sleeps(seconds float64) {
	left := syscall.NsecToTimespec(int64(seconds * 1e9))
	for syscall.Nanosleep(&left, &left) == syscall.EINTR {
	}
	sink++
}

//go:noinline
func viaSleep(seconds float64) { deeper(20, sleeps, seconds) }

//go:noinline
func waits(float64) {
	var ends [2]int
	if err := syscall.Pipe(ends[:]); err != nil {
		panic(err)
	}
	for {
		_, _ = syscall.Read(ends[0], make([]byte, 1))
	}
}

//go:noinline
func inWaitingGoroutine() { deeper(20, waits, 0) }

var waiting bool

func viaWait(float64) {
	if !waiting {
		waiting = true
		go inWaitingGoroutine()
	}
}

type turn struct {
	run    func(float64)
	weight float64
}

func main() {
	seconds, err := strconv.ParseFloat(os.Args[1], 64)
	if err != nil {
		panic(err)
	}
	var turns []turn
	sum := 0.0
	for _, argument := range os.Args[2:] {
		at := strings.IndexByte(argument, '=')
		run := kinds[argument[:at]]
		weight, err := strconv.ParseFloat(argument[at+1:], 64)
		if run == nil || err != nil {
			panic(argument)
		}
		turns = append(turns, turn{run, weight})
		sum += weight
	}
	fmt.Println("ready")
	end := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	random := uint32(1)
	for time.Now().Before(end) {
		// Rounds of one length could beat with the sampling clock, which would then see one kind more often.
		random = random*1664525 + 1013904223
		length := 0.1 * (0.5 + float64(random>>8)/16777216)
		for _, turn := range turns {
			turn.run(length * turn.weight / sum)
		}
	}
}
