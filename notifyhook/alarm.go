package notifyhook

import (
	"slices"
	"strings"
	"sync"
	"time"
)

const probeEvery = 5 * time.Minute

// Alarm is something about a route that needs a person.
type Alarm struct {
	Route  string    `json:"route"`  // host
	Kind   string    `json:"kind"`   // "held": nothing is sent; "lookups": recipients cannot be looked up; "quota": the plan's limit
	Reason string    `json:"reason"` // Slack's error name
	Since  time.Time `json:"since"`
}

// alarms are the routes' troubles, and which routes are held because of them.
// They are this process's own: a restart tries anew.
type alarms struct {
	mu     sync.Mutex
	raised map[[2]string]Alarm  // by route and kind
	probe  map[string]time.Time // held routes, and when to ask Slack again
}

// raise reports whether the alarm is a new one.
func (a *alarms) raise(host, kind, reason string, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if kind == "held" {
		a.probe[host] = now.Add(probeEvery)
	}
	before, ok := a.raised[[2]string{host, kind}]
	if ok && before.Reason == reason {
		return false
	}
	a.raised[[2]string{host, kind}] = Alarm{Route: host, Kind: kind, Reason: reason, Since: now}
	return true
}

// clear reports whether the alarm was raised.
func (a *alarms) clear(host, kind string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok := a.raised[[2]string{host, kind}]
	delete(a.raised, [2]string{host, kind})
	if kind == "held" {
		delete(a.probe, host)
	}
	return ok
}

// tryAgain lets a held route's lanes go. The alarm stays until a message is sent.
func (a *alarms) tryAgain(host string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.probe, host)
}

// probes returns the held routes to ask Slack about, and plans their next time.
func (a *alarms) probes(now time.Time) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var hosts []string
	for host, at := range a.probe {
		if !now.Before(at) {
			hosts = append(hosts, host)
			a.probe[host] = now.Add(probeEvery)
		}
	}
	return hosts
}

func (a *alarms) isHeld(host string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok := a.probe[host]
	return ok
}

// list returns the alarms, ordered by route and kind.
func (a *alarms) list() []Alarm {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]Alarm, 0, len(a.raised))
	for _, one := range a.raised {
		list = append(list, one)
	}
	slices.SortFunc(list, func(x, y Alarm) int { return strings.Compare(x.Route+" "+x.Kind, y.Route+" "+y.Kind) })
	return list
}

// flight counts the lanes under way per route.
type flight struct {
	mu    sync.Mutex
	lanes map[string]int
}

func (f *flight) add(host string, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lanes[host] += n; f.lanes[host] <= 0 {
		delete(f.lanes, host)
	}
}

func (f *flight) of(host string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lanes[host]
}
