// SPDX-License-Identifier: Apache-2.0

// Package tax has a dot in its path, which linkers write as %2e.
package tax

func Add(x uint64) uint64 {
	a, b := x, x>>5
	for i := uint64(0); i < 30; i++ {
		a = a*2862933555777941757 + b
		b ^= a >> 13
		if b&8 == 0 {
			a, b = a+b*3, b^a<<1
		} else {
			a, b = a^b*5, b+a>>1
		}
		if a&16 == 0 {
			a += b*7 ^ i
		}
	}
	return a ^ b
}
