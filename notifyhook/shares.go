package notifyhook

import (
	"container/heap"
	"slices"
	"sync"
	"time"
)

const (
	workers   = 256 // calls under way at once
	perApp    = 16  // of one app
	atOnce    = 32  // lanes claimed in one transaction, which others wait for
	quantum   = 2   // what a turn adds to an app's deficit: the dearest claim, so that each turn serves one
	endedCost = 10  // deliveries ended on the way cost as much as a call
)

// shares divides the workers between the Slack apps by deficit round robin
// (Shreedhar and Varghese, SIGCOMM 1995): apps with lanes due stand in a ring;
// each turn adds a quantum to the deficit of the app at the front, which then
// claims lanes as long as the deficit pays for them, and goes to the back. So
// the length of an app's queue gains it nothing, and an app that comes to the
// ring is served within one round of it.
//
// Sharing turns alone would let apps whose Slack is slow keep all workers in
// the end. So an app holds at most perApp of them, and starts another only
// while it holds fewer than a quarter of those that are free: each slow app
// leaves three quarters of what it found. One whose last call timed out holds a
// single worker until a call of its is answered.
//
// What is known of the lanes here is a memory of the store, put right by each
// look at an app's lanes; survey finds what came from elsewhere.
type shares struct {
	mu     sync.Mutex
	apps   map[string]*share // those with something queued or under way
	ring   []*share          // with lanes due, the next to serve first
	later  laterDue          // whose lanes come due later
	full   []*share          // with lanes due, and as many workers as they may have
	flight int               // workers of all apps
}

// share is what one app has and may have.
type share struct {
	app     string    // its name
	due     time.Time // of its first lane, by the store's clock
	deficit int       // in calls to Slack; negative: it got more than it had
	goesOn  bool      // its turn was cut short by a full batch, and goes on
	flight  int       // workers
	news    int       // counts what was queued; another number: look again
	inRing  bool
	isFull  bool
	isSlow  bool // its last call timed out
	index   int  // in later; -1: not there
}

// mayStart says whether the app may have another worker besides its own and those
// chosen for it, when so many are free.
func (one *share) mayStart(chosen, free int) bool {
	most := perApp
	if one.isSlow {
		most = 1
	}
	has := one.flight + chosen
	return has < most && has*4 < free
}

// queue notes that a lane of the app is due, by the store's clock. The zero
// time means: it has to be looked at.
func (s *shares) queue(app string, due time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.get(app)
	one.news++
	s.put(one, due)
}

// get returns the app's share. The caller holds mu.
func (s *shares) get(app string) *share {
	one := s.apps[app]
	if one == nil {
		one = &share{app: app, index: -1}
		s.apps[app] = one
	}
	return one
}

// put makes the share known to come due then or, if it was known to, earlier. One
// that was full need not be any more: of the lanes chosen for it, perhaps none
// got a worker, whose end it would wait for. The caller holds mu.
func (s *shares) put(one *share, due time.Time) {
	switch {
	case one.isFull && one.mayStart(0, workers-s.flight):
		s.full = slices.DeleteFunc(s.full, func(other *share) bool { return other == one })
		one.isFull = false
		s.join(one)
	case one.inRing || one.isFull || one.index >= 0 && !due.Before(one.due):
	case one.index >= 0:
		one.due = due
		heap.Fix(&s.later, one.index)
	default:
		one.due = due
		heap.Push(&s.later, one)
	}
}

// next takes the app whose turn it is out of the ring. Apps that have to wait
// leave it, and those that may have no more workers, until one ends.
func (s *shares) next(now time.Time, waits func(app string) bool) *share {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.later) > 0 && !s.later[0].due.After(now) {
		s.join(heap.Pop(&s.later).(*share))
	}
	for len(s.ring) > 0 {
		one := s.ring[0]
		s.ring[0], s.ring, one.inRing = nil, s.ring[1:], false
		switch {
		case waits(one.app):
			one.deficit, one.goesOn = 0, false
			s.drop(one)
		case !one.mayStart(0, workers-s.flight):
			s.fill(one)
		default:
			return one
		}
	}
	return nil
}

// join puts the share at the back of the ring, fill aside until a worker ends.
// The caller holds mu.
func (s *shares) join(one *share) {
	one.inRing = true
	s.ring = append(s.ring, one)
}

func (s *shares) fill(one *share) {
	one.isFull = true
	s.full = append(s.full, one)
}

// serve gives the app its turn: as many of its due lanes as its deficit, its
// workers and the limit allow, and then its new place. free are the workers
// that nobody has.
func (s *shares) serve(one *share, t *turn, now time.Time, limit, free int) (list []candidate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !one.goesOn {
		one.deficit = min(one.deficit+quantum, 2*quantum) // who could not use it saves up no burst
	}
	one.goesOn = false
	due := func() bool { return len(t.lanes) > 0 && !t.lanes[0].due.After(now) }
	for due() && one.deficit >= t.lanes[0].cost() && one.mayStart(t.chosen, free-len(list)) {
		if len(list) == limit {
			if one.index >= 0 {
				heap.Remove(&s.later, one.index)
			}
			one.goesOn, one.inRing = true, true
			s.ring = slices.Insert(s.ring, 0, one)
			return list
		}
		one.deficit -= t.lanes[0].cost()
		list = append(list, t.lanes[0])
		t.lanes = t.lanes[1:]
		t.chosen++
	}
	switch {
	case one.index >= 0: // something was queued meanwhile
	case due() && one.mayStart(t.chosen, free-len(list)):
		s.join(one)
	case due():
		s.fill(one)
	default:
		one.deficit = min(one.deficit, 0)
		if t.chosen > 0 {
			s.put(one, now.Add(lease)) // should the end of a claim be missed
		}
		if len(t.lanes) > 0 {
			s.put(one, t.lanes[0].due)
		}
		s.drop(one)
	}
	return list
}

// start counts a worker of the app.
func (s *shares) start(app string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.get(app).flight++
	s.flight++
}

// end takes a worker off again, which may let other apps start one.
func (s *shares) end(app string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.get(app)
	one.flight--
	s.flight--
	for _, other := range s.full {
		other.isFull = false
		s.join(other)
	}
	s.full = nil
	s.drop(one)
}

// answered notes whether the app's last call was answered in time.
func (s *shares) answered(app string, inTime bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.apps[app]; one != nil {
		one.isSlow = !inTime
	}
}

// charge takes what a claim cost besides its call.
func (s *shares) charge(app string, cost int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cost > 0 {
		s.get(app).deficit -= cost
	}
}

// drop forgets a share that has nothing. The caller holds mu.
func (s *shares) drop(one *share) {
	if !one.inRing && !one.isFull && one.index < 0 && one.flight == 0 {
		delete(s.apps, one.app)
	}
}

// forget drops all that is remembered of when lanes are due.
func (s *shares) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ring, s.later, s.full = nil, nil, nil
	for _, one := range s.apps {
		one.inRing, one.isFull, one.index = false, false, -1
		s.drop(one)
	}
}

// free is how many workers have nothing to do.
func (s *shares) free() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return workers - s.flight
}

// nextDue is when an app's next lane comes due; ok is false if none is known.
func (s *shares) nextDue() (at time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ring) > 0 {
		return time.Time{}, true
	}
	if len(s.later) == 0 {
		return time.Time{}, false
	}
	return s.later[0].due, true
}

// newsOf is the share's count of what was queued.
func (s *shares) newsOf(one *share) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return one.news
}

// laterDue is a heap of shares by when they come due.
type laterDue []*share

// Len is that of the heap.
func (l laterDue) Len() int { return len(l) }

// Less puts the earlier first.
func (l laterDue) Less(i, j int) bool { return l[i].due.Before(l[j].due) }

// Swap exchanges two.
func (l laterDue) Swap(i, j int) { l[i], l[j] = l[j], l[i]; l[i].index, l[j].index = i, j }

// Push adds a *share.
func (l *laterDue) Push(x any) { x.(*share).index = len(*l); *l = append(*l, x.(*share)) }

// Pop takes the last off.
func (l *laterDue) Pop() any {
	last := (*l)[len(*l)-1]
	(*l)[len(*l)-1], *l, last.index = nil, (*l)[:len(*l)-1], -1
	return last
}
