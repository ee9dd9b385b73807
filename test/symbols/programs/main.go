// SPDX-License-Identifier: Apache-2.0
package main

import "fmt"

//go:noinline
func work(n int) int {
	sum := 0
	for i := 0; i < n; i++ {
		sum += i * i
	}
	return sum
}

type counter struct{ value int }

//go:noinline
func (c *counter) add(n int) { c.value += work(n) }

func main() {
	c := &counter{}
	c.add(1000)
	fmt.Println(c.value)
}
