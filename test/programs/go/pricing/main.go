// SPDX-License-Identifier: Apache-2.0

// pricing SECONDS [ADDRESS]: burns CPU in what a compiler does better when it knows the profile: a call that is too
// expensive to inline everywhere (quote), one through an interface that is always the same type (Rule), and an instance of
// a generic function (fold). Serves net/http/pprof when it has an address and was built with the tag serve: without, it
// needs so little of Go's library that building it again for another profile takes seconds.
package main

import (
	"os"
	"strconv"
	"time"

	"stackwell.test/ledger/pricing/tax.v2"
)

var serve = func(address string) {}

type Rule interface{ Apply(x uint64) uint64 }

type Discount struct{ factor uint64 }

func (d *Discount) Apply(x uint64) uint64 {
	for i := uint64(0); i < 40; i++ {
		x = x*d.factor + i ^ x>>7
	}
	return x
}

type Surcharge struct{}

func (Surcharge) Apply(x uint64) uint64 { return x + 1 }

// More than the 80 that are inlined anywhere, less than the 2000 that are inlined where it is hot.
func quote(x uint64) uint64 {
	a, b, c := x, x>>3, x<<2
	a ^= b*3 + c
	b ^= c*5 + a
	c ^= a*7 + b
	if a&1 == 0 {
		a, b = b+c, a*11
	} else {
		a, c = c*13, a+b
	}
	if b&2 == 0 {
		b, c = c+a, b*17
	} else {
		b, a = a*19, b+c
	}
	for i := 0; i < 30; i++ {
		a = a*6364136223846793005 + b
		b ^= a >> 17
		c += a ^ b
	}
	return a + b*c
}

func fold[T ~uint64 | ~int64](xs []T, by T) T {
	var sum, odd, even T
	for i, x := range xs {
		sum = sum*31 + x*by
		if i&1 == 0 {
			even += sum ^ x
		} else {
			odd += sum - x
		}
		if sum&4 == 0 {
			odd, even = even*3+by, odd*5-by
		} else {
			odd, even = odd*7^sum, even+x*11
		}
		if even&8 == 0 {
			sum += odd*13 ^ even*17
		}
	}
	return sum + odd*even
}

//go:noinline
func cart(rule Rule, xs []uint64, x uint64) uint64 {
	for i := 0; i < 1000; i++ {
		x = quote(x)
		x = rule.Apply(x)
		x ^= fold(xs, x)
		x = tax.Add(x)
	}
	return x
}

func main() {
	seconds, _ := strconv.ParseFloat(os.Args[1], 64)
	if len(os.Args) > 2 {
		go serve(os.Args[2])
	}
	xs := make([]uint64, 16)
	for i := range xs {
		xs[i] = uint64(i * 7)
	}
	rules := []Rule{&Discount{3}, Surcharge{}}
	x := uint64(1)
	for until := time.Now().Add(time.Duration(seconds * float64(time.Second))); time.Now().Before(until); {
		x = cart(rules[x&0], xs, x)
	}
	println(x)
}
