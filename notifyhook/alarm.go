package notifyhook

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/store"
)

const probeEvery = 5 * time.Minute

// Alarm is something about a route that needs a person. It is kept in the store
// until it is mended: a restart does not forget it, every replica shows it.
type Alarm struct {
	// Route is the host. Routes that share a bot token have their troubles in
	// common, and an alarm each. Empty: the trouble is not a route's.
	Route string `json:"route"`
	// Kind is
	//   - "held": Slack refuses the token, so nothing is sent; auth.test is asked
	//     every 5 minutes, and all flows again once it says yes;
	//   - "lookups": the token may not look recipients up; those given by
	//     conversation are reached;
	//   - "quota": the workspace's plan takes no more messages; tried every hour;
	//   - "backlog": as many deliveries wait as may, and callers get 429;
	//   - "in_band": a notification on a page was lost, or is late, since the store failed;
	//   - "store": what is accepted or sent cannot be written down, so nothing
	//     is. This process's own, and kept nowhere.
	Kind string `json:"kind"`
	// Reason is Slack's error name or a constant word.
	Reason string `json:"reason"`
	// Since is when it was raised first; a restart does not change it.
	Since time.Time `json:"since"`
}

// trouble names an alarm of an app by its kind.
type trouble struct{ app, kind string }

// raised is what is known of one.
type raised struct {
	reason string
	since  time.Time
	saved  bool // the store has it
}

// alarms are the apps' troubles, and which apps are held because of them. All
// questions are answered from memory; sync brings that and the store together.
type alarms struct {
	changed chan struct{} // woken when there is something to sync

	mu      sync.Mutex
	raised  map[trouble]raised
	cleared map[trouble]bool     // and the store may still have it
	probe   map[string]time.Time // held apps, and when to ask Slack again
	changes int
	loaded  bool
	store   time.Time // since when it cannot be written to; zero: it can
}

func newAlarms() alarms {
	return alarms{changed: make(chan struct{}, 1), raised: map[trouble]raised{}, cleared: map[trouble]bool{}, probe: map[string]time.Time{}}
}

// raise reports whether the alarm is a new one, or has a new reason.
func (a *alarms) raise(app, kind, reason string, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if kind == "held" {
		a.probe[app] = now.Add(probeEvery)
	}
	what := trouble{app, kind}
	before, ok := a.raised[what]
	if ok && before.reason == reason {
		return false
	}
	if !ok {
		before.since = now
	}
	a.raised[what] = raised{reason: reason, since: before.since}
	delete(a.cleared, what)
	a.change()
	return true
}

// clear reports whether the alarm was raised.
func (a *alarms) clear(app, kind string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	what := trouble{app, kind}
	if _, ok := a.raised[what]; !ok {
		return false
	}
	a.forget(what)
	a.cleared[what] = true
	a.change()
	return true
}

// forget takes an alarm away, and what came of it. The caller holds mu.
func (a *alarms) forget(what trouble) {
	delete(a.raised, what)
	if what.kind == "held" {
		delete(a.probe, what.app)
	}
}

// change asks for a sync. The caller holds mu.
func (a *alarms) change() {
	a.changes++
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

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

// Alarms returns what needs a person, ordered by route. It asks nobody.
func (r *Relay) Alarms() []Alarm {
	a := &r.alarms
	a.mu.Lock()
	defer a.mu.Unlock()
	list := []Alarm{}
	if !a.store.IsZero() {
		list = append(list, Alarm{Kind: "store", Reason: "unavailable", Since: a.store})
	}
	for what, one := range a.raised {
		for _, host := range r.apps[what.app].hosts {
			list = append(list, Alarm{Route: host, Kind: what.kind, Reason: one.reason, Since: one.since})
		}
	}
	slices.SortFunc(list, func(x, y Alarm) int { return cmp.Or(cmp.Compare(x.Route, y.Route), cmp.Compare(x.Kind, y.Kind)) })
	return list
}

// write is the store's Write, and raises an alarm when it is unavailable.
func (r *Relay) write(ctx context.Context, fn store.Func) error {
	err := r.store.Write(ctx, fn)
	a := &r.alarms
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case err == nil:
		a.store = time.Time{}
	case errors.Is(err, store.ErrUnavailable) && ctx.Err() == nil && a.store.IsZero(): // who gave up waiting says nothing about the store
		a.store = r.now()
	}
	return err
}

// syncAlarms writes down what was raised and cleared here, then takes over what
// other replicas, or the last run, raised and cleared. What changes meanwhile is
// left to the next time, which that change asks for.
func (r *Relay) syncAlarms(ctx context.Context) error {
	a := &r.alarms
	a.mu.Lock()
	changes, save, remove := a.changes, map[trouble]raised{}, []trouble(nil)
	for what, one := range a.raised {
		if !one.saved {
			save[what] = one
		}
	}
	for what := range a.cleared {
		remove = append(remove, what)
	}
	a.mu.Unlock()
	if len(save)+len(remove) > 0 {
		if err := r.write(ctx, func(ctx context.Context, tx *sql.Tx) error { return r.saveAlarms(ctx, tx, save, remove) }); err != nil {
			return err
		}
	}
	found, err := r.readAlarms(ctx)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.changes == changes {
		a.merge(found, r.now())
	}
	return nil
}

// merge replaces what is known by what the store has. The caller holds mu.
func (a *alarms) merge(found map[trouble]raised, now time.Time) {
	clear(a.cleared)
	for what := range a.raised {
		if _, ok := found[what]; !ok {
			a.forget(what)
		}
	}
	for what, one := range found {
		if _, ok := a.raised[what]; !ok && what.kind == "held" {
			a.probe[what.app] = now // the last run's: the token may be another one by now
			if a.loaded {
				a.probe[what.app] = now.Add(probeEvery) // another replica's, who has just asked
			}
		}
		a.raised[what] = one
	}
	a.loaded = true
}

func (r *Relay) saveAlarms(ctx context.Context, tx *sql.Tx, save map[trouble]raised, remove []trouble) error {
	for _, what := range remove {
		for _, host := range r.apps[what.app].hosts {
			if _, err := tx.ExecContext(ctx, `DELETE FROM alarm WHERE route = $1 AND kind = $2`, host, what.kind); err != nil {
				return fmt.Errorf("clear alarm: %w", err)
			}
		}
	}
	for what, one := range save {
		for _, host := range r.apps[what.app].hosts {
			_, err := tx.ExecContext(ctx, `INSERT INTO alarm (route, kind, reason, since) VALUES ($1, $2, $3, $4) ON CONFLICT (route, kind) DO UPDATE SET
				reason = excluded.reason, since = CASE WHEN alarm.since < excluded.since THEN alarm.since ELSE excluded.since END`,
				host, what.kind, one.reason, one.since.UnixMilli())
			if err != nil {
				return fmt.Errorf("raise alarm: %w", err)
			}
		}
	}
	return nil
}

// readAlarms returns the alarms of configured routes by their app.
func (r *Relay) readAlarms(ctx context.Context) (map[trouble]raised, error) {
	rows, err := r.store.Read().QueryContext(ctx, `SELECT route, kind, reason, since FROM alarm ORDER BY since DESC`)
	if err != nil {
		return nil, fmt.Errorf("read alarms: %w", err)
	}
	defer rows.Close()
	found := map[trouble]raised{}
	for rows.Next() {
		var host, kind, reason string
		var since int64
		if err := rows.Scan(&host, &kind, &reason, &since); err != nil {
			return nil, fmt.Errorf("read alarms: %w", err)
		}
		if rt := r.routes[host]; rt != nil { // of several routes of an app, the oldest
			found[trouble{rt.app.name, kind}] = raised{reason: reason, since: time.UnixMilli(since), saved: true}
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read alarms: %w", err)
	}
	return found, nil
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
