package gateway

import (
	"cmp"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Alarm is something about a route's people that needs an operator.
type Alarm struct {
	Route string `json:"route"` // host; empty: no route's
	// Kind is "people" (they cannot be asked about), "usergroups" (groups are
	// unknown, so that rules for them deny), "unchecked" (nobody could be asked
	// about for long), "bot_revoked" or "app_uninstalled" (Slack says so), or
	// "flood" (clients are being held back; the reason says what they try).
	Kind   string    `json:"kind"`
	Reason string    `json:"reason"` // Slack's error name, or ours
	Since  time.Time `json:"since"`
}

// alarms are this process's own: a restart finds out anew. Each is said once
// when it is raised and once when it is over.
type alarms struct {
	log *slog.Logger
	now func() time.Time

	mu     sync.Mutex
	raised map[[2]string]Alarm // by route and kind
}

func newAlarms(log *slog.Logger, now func() time.Time) *alarms {
	return &alarms{log: log, now: now, raised: make(map[[2]string]Alarm)}
}

func (a *alarms) raise(rt *Route, kind, reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	id := [2]string{rt.Host, kind}
	before, ok := a.raised[id]
	if ok && before.Reason == reason {
		return
	}
	if !ok {
		before.Since = a.now()
	}
	a.raised[id] = Alarm{Route: rt.Host, Kind: kind, Reason: reason, Since: before.Since}
	a.log.Error("trouble with what Slack says of people", "route", rt.Host, "kind", kind, "reason", reason)
}

func (a *alarms) clear(rt *Route, kinds ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, kind := range kinds {
		id := [2]string{rt.Host, kind}
		if _, ok := a.raised[id]; ok {
			delete(a.raised, id)
			a.log.Info("trouble with what Slack says of people is over", "route", rt.Host, "kind", kind)
		}
	}
}

// keep forgets other routes than these.
func (a *alarms) keep(routes table) {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.raised, func(_ [2]string, one Alarm) bool { return routes[one.Route] == nil })
}

// Alarms lists what needs an operator, by route and kind.
func (g *Gateway) Alarms() []Alarm {
	a := g.people.alarms
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]Alarm, 0, len(a.raised))
	routes := g.routes()
	for _, one := range a.raised {
		if routes[one.Route] != nil { // who asked Slack for a route that has gone may have heard of its trouble since
			list = append(list, one)
		}
	}
	list = append(list, g.floods(routes)...)
	slices.SortFunc(list, func(x, y Alarm) int {
		return cmp.Or(strings.Compare(x.Route, y.Route), strings.Compare(x.Kind, y.Kind))
	})
	return list
}
