package notifyhook

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/store"
)

const (
	pollAlone = time.Second            // besides being woken, and when a lane comes due: for leases that ran out
	pollShare = 250 * time.Millisecond // as well for what other replicas accepted
	pollSoon  = 5 * time.Millisecond   // what came to nothing may come to something then
	retryPoll = time.Second            // the store is in trouble
	lookLimit = 10 * time.Second       // of finding what to claim: a store that hangs must not hang the loop
	grace     = workLimit              // of calls under way when the relay stops
)

// Run delivers until ctx ends, then gives the calls under way some seconds to
// end, and returns nil when no goroutine of its own is left. An error means
// that it could not begin; a store that is unavailable is waited for.
func (r *Relay) Run(ctx context.Context) error {
	for err := r.begin(ctx); err != nil; err = r.begin(ctx) {
		switch {
		case ctx.Err() != nil:
			return nil
		case !errors.Is(store.Classify(err), store.ErrUnavailable):
			return err
		}
		r.log.Error("begin deliveries failed; it is tried again", "error", err)
		wait(ctx, nil, retryPoll)
	}
	calls, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	var group sync.WaitGroup
	group.Go(func() { r.housekeeper(ctx) })
	group.Go(func() { r.adoptAsApplied(ctx) })
	for looked := time.Now(); ctx.Err() == nil; {
		now := time.Now()
		r.beat.note(now)
		if err := r.followClock(calls, clockStep(looked, now)); err != nil {
			r.log.Error("follow clock failed", "error", err)
		} else {
			looked = now
		}
		wait(ctx, r.wake, r.round(ctx, calls, &group))
	}
	r.beat.end()
	ended := make(chan struct{})
	go func() { group.Wait(); close(ended) }()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		abort()
		<-ended
	}
	if err := r.flushUses(context.WithoutCancel(ctx)); err != nil {
		r.log.Error("write uses of credentials failed", "error", err)
	}
	return nil
}

// begin puts right what the last run left behind, also what a new configuration
// made wrong, and learns whom it held.
func (r *Relay) begin(ctx context.Context) error {
	if err := r.takeOver(ctx); err != nil {
		return err
	}
	if _, err := r.adoptMoved(ctx); err != nil {
		return err
	}
	if err := r.adoptThreads(ctx); err != nil {
		return err
	}
	return r.syncAlarms(ctx)
}

// wait returns when ctx ends, when woken, or after the pause.
func wait(ctx context.Context, wake <-chan struct{}, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-timer.C:
	}
}

// round claims for free workers, who work until calls ends, and returns how long
// to wait for the next.
func (r *Relay) round(ctx, calls context.Context, group *sync.WaitGroup) time.Duration {
	free := r.shares.free()
	if free == 0 {
		return r.interval() // a worker that ends wakes us
	}
	claims, err := r.claim(ctx, free)
	if err != nil {
		if ctx.Err() == nil {
			r.log.Error("claim lanes failed", "error", err)
		}
		return retryPoll
	}
	for _, c := range claims {
		r.shares.start(c.app.name)
		group.Go(func() {
			defer func() {
				r.shares.end(c.app.name)
				r.rouse()
			}()
			r.work(calls, c)
		})
	}
	return r.pause(len(claims))
}
