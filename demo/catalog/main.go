// SPDX-License-Identifier: Apache-2.0

// catalog: answers searches over a product catalogue with JSON, and rebuilds its index every few seconds. About 20 %
// of a core.
package main

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand"
	"os"
	"os/signal"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"
)

type product struct {
	ID    int               `json:"id"`
	Name  string            `json:"name"`
	Price float64           `json:"price"`
	Tags  []string          `json:"tags"`
	Specs map[string]string `json:"specs"`
}

type catalog struct {
	mu       sync.RWMutex
	products []product
	index    map[string][]int
}

var words = strings.Fields("red blue small large wooden steel garden kitchen office summer winter light heavy classic modern")

func newCatalog(size int) *catalog {
	c := &catalog{}
	for i := 0; i < size; i++ {
		tags := []string{words[i%len(words)], words[(i*7+3)%len(words)]}
		c.products = append(c.products, product{
			ID:    i,
			Name:  fmt.Sprintf("%s %s product %d", tags[0], tags[1], i),
			Price: float64(i%997) / 10,
			Tags:  tags,
			Specs: map[string]string{"weight": fmt.Sprint(i % 40), "origin": words[i%5]},
		})
	}
	c.rebuildIndex()
	return c
}

//go:noinline
func (c *catalog) rebuildIndex() {
	index := make(map[string][]int)
	for i := range c.products {
		for _, token := range tokenize(c.products[i].Name) {
			index[token] = append(index[token], i)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.index = index
}

//go:noinline
func tokenize(text string) []string {
	return strings.Fields(strings.ToLower(text))
}

//go:noinline
func (c *catalog) search(query string) []product {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var found []product
	for _, token := range tokenize(query) {
		for _, i := range c.index[token] {
			found = append(found, c.products[i])
		}
	}
	return rank(found, query)
}

//go:noinline
func rank(found []product, query string) []product {
	sort.Slice(found, func(a, b int) bool { return relevance(found[a], query) > relevance(found[b], query) })
	if len(found) > 50 {
		found = found[:50]
	}
	return found
}

//go:noinline
func relevance(p product, query string) uint32 {
	hash := fnv.New32a()
	hash.Write([]byte(p.Name))
	hash.Write([]byte(query))
	return hash.Sum32()
}

//go:noinline
func encodeAnswer(found []product) ([]byte, error) {
	return json.Marshal(map[string]any{"count": len(found), "products": found})
}

//go:noinline
func (c *catalog) handleSearch(random *rand.Rand) (int, error) {
	query := words[random.Intn(len(words))]
	answer, err := encodeAnswer(c.search(query))
	return len(answer), err
}

func main() {
	c := newCatalog(6000)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	requests := make(chan int)
	for worker := 0; worker < 4; worker++ {
		go func(random *rand.Rand) {
			for range requests {
				if _, err := c.handleSearch(random); err != nil {
					panic(err)
				}
			}
		}(rand.New(rand.NewSource(int64(worker))))
	}
	arrivals := time.NewTicker(5 * time.Millisecond)
	rebuilds := time.NewTicker(3 * time.Second)
	for n := 0; ; n++ {
		select {
		case <-arrivals.C:
			requests <- n
		case <-rebuilds.C:
			c.rebuildIndex()
		case <-stop:
			return
		}
	}
}
