package notifyhook

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

const (
	// lateBeat is longer than a round of Run takes with a store that answers.
	lateBeat = 30 * time.Second
	// stuckBeat is longer than any limit of the store's: a loop that has not gone
	// on for so long will not by itself.
	stuckBeat = 5 * time.Minute
)

// heartbeat is when Run last began a round, at first when the relay was made; nil:
// it has ended.
type heartbeat struct{ at atomic.Pointer[time.Time] }

func (b *heartbeat) note(now time.Time) { b.at.Store(&now) }

func (b *heartbeat) end() { b.at.Store(nil) }

// age is how long ago the last beat was; false: none is awaited.
func (b *heartbeat) age() (time.Duration, bool) {
	at := b.at.Load()
	if at == nil {
		return 0, false
	}
	return time.Since(*at), true
}

// Ready is nil while deliveries go on. When they have ended, or what claims them
// is late, an error says so.
func (r *Relay) Ready(context.Context) error {
	age, ok := r.beat.age()
	switch {
	case !ok:
		return errors.New("deliveries have ended")
	case age > lateBeat:
		return fmt.Errorf("deliveries have stood still for %s", age.Round(time.Second))
	}
	return nil
}

// Alive is nil unless what claims deliveries is stuck although the store answers:
// a restart helps then, and then alone.
func (r *Relay) Alive(ctx context.Context) error {
	age, ok := r.beat.age()
	if !ok || age <= stuckBeat {
		return nil
	}
	var one int
	if r.store.Read().QueryRowContext(ctx, `SELECT 1`).Scan(&one) != nil {
		return nil
	}
	return fmt.Errorf("deliveries have been stuck for %s", age.Round(time.Second))
}
