package throttle

import (
	"cmp"
	"log/slog"
	"slices"
	"sync"
	"time"
)

const (
	// floodSize is how many must have been held back for Floods to tell of it: who
	// has one wrong password in a script is no attack.
	floodSize = 100
	// floodOver is how long nobody must have been held back for it to be over.
	floodOver = 5 * time.Minute
	// tellEvery is how often the log tells of it while it lasts.
	tellEvery = time.Minute
	// maxFloods is from how many on those that are over are forgotten.
	maxFloods = 1024
)

// Flood is that clients of a route are being held back.
type Flood struct {
	Route string // the host; empty: no route's
	What  string // as Key.What
	Since time.Time
	Times int // how many were held back
}

// floods are those of late, by route and what.
type floods struct {
	log *slog.Logger

	mu sync.Mutex
	of map[[2]string]*flood
}

type flood struct {
	since, last, told time.Time
	times, untold     int
}

// note counts one that was held back. The log has a line when it begins and once
// a minute, not one for each.
func (f *floods) note(k Key, now time.Time) {
	f.mu.Lock()
	one := f.find([2]string{k.Route, k.What}, now)
	one.times, one.untold, one.last = one.times+1, one.untold+1, now
	tell, n := now.Sub(one.told) >= tellEvery, one.untold
	if tell {
		one.told, one.untold = now, 0
	}
	f.mu.Unlock()
	if tell {
		f.log.Warn("clients that try too often are held back", "route", k.Route, "what", k.What, "client", string(k.Who), "times", n)
	}
}

// find gives the flood that goes on, or begins one.
func (f *floods) find(id [2]string, now time.Time) *flood {
	if f.of == nil {
		f.of = map[[2]string]*flood{}
	}
	one := f.of[id]
	if one == nil && len(f.of) >= maxFloods {
		for other, old := range f.of {
			if now.Sub(old.last) > floodOver {
				delete(f.of, other)
			}
		}
	}
	if one == nil || now.Sub(one.last) > floodOver {
		one = &flood{since: now}
		f.of[id] = one
	}
	return one
}

// Floods tells where so many clients are being held back, or one so often, that
// it looks like an attack; by route.
func (l *Limits) Floods() []Flood {
	f, now := &l.floods, l.now()
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []Flood
	for id, one := range f.of {
		if one.times >= floodSize && now.Sub(one.last) <= floodOver {
			list = append(list, Flood{Route: id[0], What: id[1], Since: one.since, Times: one.times})
		}
	}
	slices.SortFunc(list, func(a, b Flood) int { return cmp.Or(cmp.Compare(a.Route, b.Route), cmp.Compare(a.What, b.What)) })
	return list
}
