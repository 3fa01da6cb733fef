package notifyhook

import (
	"context"
	"time"
)

const (
	sweep     = 30 * time.Second
	maxSweeps = 100 // batches of one job in one sweep: the rest is for the next
)

// housekeeper sweeps until ctx ends, and brings alarms to the store between.
func (r *Relay) housekeeper(ctx context.Context) {
	for next := time.Now(); ctx.Err() == nil; {
		if time.Until(next) <= 0 {
			next = time.Now().Add(sweep)
			r.keepHouse(ctx)
		} else if err := r.syncAlarms(ctx); err != nil && ctx.Err() == nil {
			r.log.Error("sync alarms failed", "error", err)
			wait(ctx, nil, retryPoll)
		} else {
			r.probe(ctx) // whose token was replaced does not wait
		}
		wait(ctx, r.alarms.changed, time.Until(next))
	}
}

// keepHouse does what need not be done at once, each job for a bounded time: it
// ends what has expired, asks Slack about held apps, adopts lanes of apps that
// are gone, writes down which credentials were used, and deletes what is old.
func (r *Relay) keepHouse(ctx context.Context) {
	for _, job := range []struct {
		failed string // constant, as messages are
		run    func(context.Context) error
	}{
		{"sync alarms failed", r.syncAlarms},
		{"expire deliveries failed", r.expireAll},
		{"adopt lanes failed", r.adoptAll},
		{"write uses of credentials failed", r.flushUses},
		{"prune notifications failed", r.pruneNotifications},
		{"prune lanes failed", r.pruneLanes},
		{"prune entities failed", r.pruneEntities},
		{"probe failed", func(ctx context.Context) error { r.probe(ctx); return nil }},
	} {
		if ctx.Err() != nil {
			return
		}
		if err := job.run(ctx); err != nil && ctx.Err() == nil {
			r.log.Error(job.failed, "error", err)
		}
	}
}

func (r *Relay) expireAll(ctx context.Context) error {
	for range maxSweeps {
		n, err := r.expire(ctx)
		if err != nil || n == 0 || ctx.Err() != nil {
			return err
		}
		r.log.Warn("deliveries expired", "count", n)
	}
	return nil
}
