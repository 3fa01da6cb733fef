package notifyhook

import (
	"context"
	"sync"
	"time"
)

// adoptAgain is how soon lanes that somebody holds are looked at again.
const adoptAgain = 200 * time.Millisecond

// adoption is the bringing over of what waits for routes that have another app
// since a configuration was applied.
type adoption struct {
	wanted chan struct{} // holds one when there may be something to bring over
	// accepting is held, for reading, from choosing the lanes of what is accepted
	// until it is committed: whoever gets it for writing knows that nothing more
	// comes to the lanes of configurations before.
	accepting sync.RWMutex
}

func (a *adoption) want() {
	select {
	case a.wanted <- struct{}{}:
	default:
	}
}

// adoptAsApplied brings over what waits after each configuration that is applied,
// until ctx ends.
func (r *Relay) adoptAsApplied(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.adoption.wanted:
		}
		for ctx.Err() == nil && !r.conf.Load().settled.Load() {
			if err := r.settleIn(ctx, r.conf.Load()); err != nil && ctx.Err() == nil {
				r.log.Error("adopt lanes failed", "error", err)
				wait(ctx, nil, retryPoll)
			}
		}
	}
}

// settleIn adopts until nothing of the configuration's routes waits elsewhere,
// then lets the apps that waited for it send. Claims of configurations before
// keep their lanes until they are done.
func (r *Relay) settleIn(ctx context.Context, c *configured) error {
	r.adoption.accepting.Lock()
	r.adoption.accepting.Unlock() //nolint:staticcheck // to have had it is all
	for left := true; left; {
		var err error
		if left, err = r.adoptMoved(ctx); err != nil {
			return err
		}
		if ctx.Err() != nil || c != r.conf.Load() {
			return nil
		}
		if left {
			wait(ctx, nil, adoptAgain)
		}
	}
	if err := r.adoptThreads(ctx); err != nil {
		return err
	}
	c.settled.Store(true)
	for name := range c.moved {
		r.shares.queue(name, time.Time{})
	}
	r.rouse()
	return nil
}
