package notifyhook

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// probeEvery is how often Slack is asked about the token of a held app.
const probeEvery = 5 * time.Minute

// tryAgain lets a held app's lanes go. The alarm stays until a message is sent.
func (a *alarms) tryAgain(app string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.probe, app)
}

// probes returns the held apps to ask Slack about, and plans their next time.
func (a *alarms) probes(now time.Time) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var apps []string
	for app, at := range a.probe {
		if !now.Before(at) {
			apps = append(apps, app)
			a.probe[app] = now.Add(probeEvery)
		}
	}
	return apps
}

func (a *alarms) isHeld(app string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok := a.probe[app]
	return ok
}

// probe asks Slack about routes that are held, and lets those go whose token is
// good again.
func (r *Relay) probe(ctx context.Context) {
	for _, name := range r.alarms.probes(r.now()) {
		if ctx.Err() != nil {
			return
		}
		a := r.apps()[name]
		if a == nil || a.absent() {
			continue
		}
		if o := outcomeOf(authTest, a.test(ctx)); o.class == done {
			r.log.Info("held route is tried again", "routes", a.hosts)
			if err := r.letGo(ctx, a); err != nil {
				r.log.Error("let held route go failed", "routes", a.hosts, "error", err)
			}
		}
	}
}

// letGo makes the lanes of an app due that wait because its token was refused,
// and no others.
func (r *Relay) letGo(ctx context.Context, a *app) error {
	r.alarms.tryAgain(a.name)
	now, err := r.clock(ctx)
	if err != nil {
		return err
	}
	err = r.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		// #nosec G202 -- what is joined is placeholders and conditions of our own, never a value
		_, err := tx.ExecContext(ctx, `UPDATE lane SET due_at = $2, not_before = $2 WHERE lane IN (SELECT l.lane FROM lane l
			WHERE l.due_at IS NOT NULL AND l.app = $1 AND l.due_at > $2 AND l.lease_owner IS NULL AND EXISTS (
				SELECT 1 FROM delivery d JOIN attempt a ON a.delivery_id = d.id WHERE d.lane = l.lane AND d.state IN ('queued', 'sending')
					AND a.outcome = $3 AND a.again_at = l.not_before) `+r.store.SkipLocked()+`)`, a.name, now.UnixMilli(), routeDown.String())
		return err
	})
	if err != nil {
		return fmt.Errorf("let lanes go: %w", err)
	}
	r.queued(a)
	return nil
}
