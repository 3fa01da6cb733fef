// Package metrics holds what the packages share that count what they do: counts
// by a label that is not known before, and readings of the store that a scrape
// neither repeats nor waits for.
package metrics

import (
	"maps"
	"sync"
)

// Counts counts by one label. A value is there from its first count on, so that
// a route has no series for what never happens to it. Its zero value is empty; it
// is safe for concurrent use. It is for what is rare: there is a lock around it.
type Counts struct {
	mu sync.Mutex
	by map[string]uint64
}

// Add counts n more of value, which must be one of a few constants.
func (c *Counts) Add(value string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = make(map[string]uint64, 4)
	}
	c.by[value] += uint64(n)
}

// All gives a copy of the counts by value.
func (c *Counts) All() map[string]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.by)
}
