package notifyhook

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/store"
)

// Kinds of alarms, as Alarm.Kind says what they are.
const (
	alarmHeld    = "held"
	alarmLookups = "lookups"
	alarmQuota   = "quota"
	alarmBacklog = "backlog"
	alarmInBand  = "in_band"
	alarmStore   = "store"
)

// Alarm is something about a route that needs a person. It is kept in the store
// until it is mended: a restart does not forget it, every replica shows it.
type Alarm struct {
	// Route is the host. Routes that share a bot token have their troubles in
	// common, and an alarm each. Empty: the trouble is not a route's.
	Route string `json:"route"`
	// Kind is
	//   - "held": Slack refuses the token, so nothing is sent; auth.test is asked
	//     every 5 minutes, and all flows again once it says yes. Or, with the reason
	//     "not_installed", there is no token yet: this process's own, and kept nowhere;
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
	gone    map[string]bool      // routes whose alarms are to be removed from the store
	probe   map[string]time.Time // held apps, and when to ask Slack again
	changes int
	loaded  bool
	store   time.Time // since when it cannot be written to; zero: it can
}

func newAlarms() alarms {
	return alarms{changed: make(chan struct{}, 1), raised: map[trouble]raised{}, cleared: map[trouble]bool{}, gone: map[string]bool{}, probe: map[string]time.Time{}}
}

// raise reports whether the alarm is a new one, or has a new reason.
func (a *alarms) raise(app, kind, reason string, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if kind == alarmHeld {
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
	if what.kind == alarmHeld {
		delete(a.probe, what.app)
	}
}

// follow goes over to another configuration: routes that are gone leave no alarm
// behind, and who is held because of a token that was replaced is tried again at
// once.
func (a *alarms) follow(before, next *configured, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for what := range a.raised {
		if next.apps[what.app] == nil {
			a.forget(what) // a sync finds it again for routes that stay
		}
	}
	for name := range a.probe {
		if next.changed(name, before) {
			a.probe[name] = now
		}
	}
	for host := range before.routes {
		if next.routes[host] == nil {
			a.gone[host] = true
		}
	}
	for host := range next.routes {
		delete(a.gone, host)
	}
	a.loaded = false
	a.change()
}

// change asks for a sync. The caller holds mu.
func (a *alarms) change() {
	a.changes++
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// raise raises an alarm of an app, and logs it the first time.
func (r *Relay) raise(app, kind, reason string) {
	if r.alarms.raise(app, kind, reason, r.now()) {
		r.log.Error("route needs attention", "routes", r.hosts(app), "kind", kind, "reason", reason)
	}
}

// Alarms returns what needs a person, ordered by route. It asks nobody.
func (r *Relay) Alarms() []Alarm {
	a := &r.alarms
	a.mu.Lock()
	defer a.mu.Unlock()
	list := []Alarm{}
	if !a.store.IsZero() {
		list = append(list, Alarm{Kind: alarmStore, Reason: "unavailable", Since: a.store})
	}
	for _, app := range r.apps() {
		if !app.absent() {
			continue
		}
		for _, host := range app.hosts {
			list = append(list, Alarm{Route: host, Kind: alarmHeld, Reason: notInstalled, Since: app.since})
		}
	}
	for what, one := range a.raised {
		for _, host := range r.hosts(what.app) {
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
