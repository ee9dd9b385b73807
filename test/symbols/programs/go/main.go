// SPDX-License-Identifier: Apache-2.0

// A program with much of what Go code looks like: inlined calls, closures, generics, methods of embedded types,
// packages of the standard library. Asked for addresses on its standard input, it prints what its own runtime says
// of each: "function line file", innermost inlined call first, and an empty line.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"text/template"
)

type number interface {
	~int | ~int64 | ~float64 | ~string
}

type pair[K comparable, V number] struct {
	key   K
	value V
}

func (p *pair[K, V]) larger(other V) bool { return p.value > other }

//go:noinline
func largest[K comparable, V number](pairs []pair[K, V]) (best K) {
	for i := range pairs {
		if i == 0 || pairs[i].larger(pairs[0].value) {
			best = pairs[i].key
		}
	}
	return best
}

func mapped[T, U any](list []T, change func(T) U) []U {
	out := make([]U, 0, len(list))
	for _, one := range list {
		out = append(out, change(one))
	}
	return out
}

type shape interface{ area() float64 }
type square struct{ side float64 }
type named struct {
	square
	name string
}

func (s square) area() float64 { return s.side * s.side }

//go:noinline
func total(shapes []shape) (sum float64) {
	defer func() { sum += add(1, 2) }()
	for _, one := range shapes {
		sum += one.area()
	}
	return sum
}

func add(a, b float64) float64 { return twice(a) + twice(b) }
func twice(a float64) float64  { return a * 2 }

func serve() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		names := mapped([]int{1, 2, 3}, func(i int) string { return strconv.Itoa(i) })
		json.NewEncoder(w).Encode(names)
	})
	http.ListenAndServe("127.0.0.1:0", nil)
}

func work() {
	pairs := []pair[string, int]{{"a", 1}, {"b", 2}}
	floats := []pair[int, float64]{{1, 1}, {2, 2}}
	words := mapped(strings.Fields("the quick brown fox"), strings.ToUpper)
	sort.Slice(words, func(i, j int) bool { return words[i] < words[j] })
	shapes := []shape{square{2}, &named{square{3}, "three"}}
	fmt.Fprintln(os.Stderr, largest(pairs), largest(floats), words, total(shapes), extra())
	fmt.Fprintln(os.Stderr, regexp.MustCompile(`(\w+)o(\w+)`).FindString("hello world"))
	template.Must(template.New("t").Parse("{{range .}}<{{.}}>{{end}}\n")).Execute(os.Stderr, words)
}

// Where the program was loaded, less where it was linked to.
func bias() uint64 {
	linked, _ := strconv.ParseUint(os.Args[1], 0, 64)
	executable, _ := os.Readlink("/proc/self/exe")
	maps, _ := os.ReadFile("/proc/self/maps")
	for _, line := range strings.Split(string(maps), "\n") {
		if strings.HasSuffix(line, executable) {
			start, _ := strconv.ParseUint(line[:strings.Index(line, "-")], 16, 64)
			return start - linked
		}
	}
	panic("not in its own maps")
}

func main() {
	if len(os.Args) < 2 {
		work()
		return
	}
	if os.Args[1] == "serve" {
		serve()
	}
	in, out := bufio.NewScanner(os.Stdin), bufio.NewWriter(os.Stdout)
	bias, last := bias(), reflect.ValueOf(main).Pointer()+1
	for in.Scan() {
		address, _ := strconv.ParseUint(in.Text(), 0, 64)
		// As return addresses: the runtime takes one off. It tells of callers into which a call was inlined (from
		// Go 1.22 on) only if something follows.
		frames := runtime.CallersFrames([]uintptr{uintptr(address+bias) + 1, last})
		for {
			frame, more := frames.Next()
			if !more {
				break
			}
			fmt.Fprintf(out, "%s %d %s\n", frame.Function, frame.Line, frame.File)
		}
		fmt.Fprintln(out)
	}
	out.Flush()
}
