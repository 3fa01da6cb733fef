package metrics

import (
	"context"
	"sync"
	"time"
)

const (
	// restFor is how long a reading serves at least.
	restFor = 5 * time.Second
	// restFactor is how many times as long it serves as it took: what reads for
	// long must not keep the store busy.
	restFactor = 10
	// patience is how long a scrape waits for a reading.
	patience = time.Second
	// readLimit ends one that hangs.
	readLimit = 10 * time.Second
	// staleAfter is how long the last reading stands in for one that takes longer
	// than a scrape waits.
	staleAfter = time.Minute
)

// Reading is a figure that has to be read from the store. Scrapes share it,
// however many there are, and a store that hangs does not hang them.
type Reading[T any] struct {
	read func(ctx context.Context) (T, error)

	mu      sync.Mutex
	value   T
	at      time.Time // when value was read; zero: never
	err     error     // of the last attempt
	until   time.Time // no attempt before
	running chan struct{}
}

// NewReading makes one of read, which one goroutine at a time calls.
func NewReading[T any](read func(ctx context.Context) (T, error)) *Reading[T] {
	return &Reading[T]{read: read}
}

// Get gives the figure, at most seconds old where the store is quick, or false
// if it could not be read. It returns after a second at the latest.
func (r *Reading[T]) Get() (value T, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running == nil && !time.Now().Before(r.until) {
		r.running = make(chan struct{})
		go r.run(r.running)
	}
	if running := r.running; running != nil {
		r.mu.Unlock()
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case <-running:
		case <-timer.C:
		}
		r.mu.Lock()
	}
	if r.err != nil || r.at.IsZero() || time.Since(r.at) > max(staleAfter, r.until.Sub(r.at)) {
		var none T
		return none, false
	}
	return r.value, true
}

func (r *Reading[T]) run(done chan struct{}) {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), readLimit)
	defer cancel()
	value, err := r.read(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.err = err; err == nil {
		r.value, r.at = value, now
	}
	r.until = now.Add(max(restFor, restFactor*now.Sub(begun)))
	r.running = nil
	close(done)
}
