package main

import (
	"cmp"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/throttle"
)

const (
	// maxConnections is how many connections a listener has at once. The 10,000
	// WebSockets that one process carries fit in, with requests beside them.
	maxConnections = 16384
	// maxFromOne is how many of them one client has: an office of 300 behind one
	// address comes with 13 each.
	maxFromOne = 4096
	// makeRoom is the share of the connections at a limit that is closed to make
	// room, so that the search for them is not made for each.
	makeRoom = 16
	// searchAgain is how long after a search that found none the next one is made.
	searchAgain = 100 * time.Millisecond

	// smallHeader is up to which size a header is awaited of every connection; in
	// memory it may take 15 times as much, if its lines are short.
	smallHeader = 4 << 10
	// maxLarge is how many connections may be in the midst of a larger header at
	// once; the oldest of them make room. An honest one is there in a moment.
	maxLarge = 256
)

// crowd is a listener that bounds what those who come can hold: how many there
// are, how much of headers that are not there yet, and for how long they leave
// what they are sent unread. Whoever does nothing, be it that no request of
// theirs was ever whole, makes room for others; whoever is being served is left
// alone.
type crowd struct {
	net.Listener
	log *slog.Logger
	// trusts tells which peers are trusted proxies, which stand for many clients:
	// of them alone there may be any number of connections; nil: nobody is.
	trusts   func(netip.Addr) bool
	most     int
	fromOne  int
	patience time.Duration // as takesNothing
	arrivals atomic.Uint64
	turned   atomic.Uint64 // away, or out to make room

	mu     sync.Mutex
	guests map[*guest]struct{}
	from   map[throttle.Who]int
	large  []*guest  // that are in the midst of a large header, the oldest first
	rest   time.Time // no search is made before
	told   time.Time // when the log was last told of a limit
}

func newCrowd(ln net.Listener, log *slog.Logger) *crowd {
	return &crowd{Listener: ln, log: log, most: maxConnections, fromOne: maxFromOne, patience: takesNothing, guests: map[*guest]struct{}{}, from: map[throttle.Who]int{}}
}

// count tells how many are there.
func (c *crowd) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.guests)
}

// Accept gives the next one for whom there is room.
func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		addr, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
		g := &guest{Conn: conn, crowd: c, who: throttle.From(addr.Addr()), trusted: c.trusts != nil && c.trusts(addr.Addr().Unmap())}
		g.since.Store(c.arrivals.Add(1))
		if c.admit(g) {
			return g, nil
		}
		c.turned.Add(1)
		conn.Close()
	}
}

// admit takes a guest in, if there is room or some can be made.
func (c *crowd) admit(g *guest) bool {
	c.mu.Lock()
	var out []*guest
	ok := true
	if !g.trusted && c.from[g.who] >= c.fromOne {
		out, ok = c.search(c.fromOne/makeRoom, func(other *guest) bool { return other.who == g.who })
	}
	if ok && len(c.guests) >= c.most {
		var more []*guest
		more, ok = c.search(c.most/makeRoom, func(*guest) bool { return true })
		out = append(out, more...)
	}
	if ok {
		c.guests[g] = struct{}{}
		c.from[g.who]++
	}
	tell := (!ok || len(out) > 0) && time.Since(c.told) >= time.Minute
	if tell {
		c.told = time.Now()
	}
	there, his := len(c.guests), c.from[g.who]
	c.mu.Unlock()
	c.turnOut(out)
	if tell {
		c.log.Warn("a listener has as many connections as it may: idle ones make room", "listener", c.Addr().String(), "client", string(g.who),
			"connections", there, "of_client", his, "room", ok)
	}
	return ok
}

// search finds those who have done nothing for longest among some, so many at
// most; ok is false if nobody does nothing. The caller holds the lock.
func (c *crowd) search(most int, among func(*guest) bool) (idle []*guest, ok bool) {
	now := time.Now()
	if now.Before(c.rest) {
		return nil, false
	}
	for g := range c.guests {
		if !g.busy.Load() && among(g) {
			idle = append(idle, g)
		}
	}
	if len(idle) == 0 {
		c.rest = now.Add(searchAgain)
		return nil, false
	}
	slices.SortFunc(idle, func(a, b *guest) int { return cmp.Compare(a.since.Load(), b.since.Load()) })
	return idle[:min(len(idle), max(most, 1))], true
}

// turnOut closes connections, unless a request has come meanwhile.
func (c *crowd) turnOut(list []*guest) {
	for _, g := range list {
		if !g.busy.Load() {
			c.turned.Add(1)
			g.Close()
		}
	}
}

// note follows what a connection does, for http.Server.ConnState.
func (c *crowd) note(conn net.Conn, state http.ConnState) {
	g := guestOf(conn)
	if g == nil {
		return
	}
	switch state {
	case http.StateActive, http.StateHijacked:
		g.busy.Store(true)
		if g.head.Load() > smallHeader {
			c.leaveLarge(g)
		}
	case http.StateIdle:
		g.head.Store(0)
		g.since.Store(c.arrivals.Load())
		g.busy.Store(false)
	}
}

// enterLarge notes that a guest is in the midst of a large header.
func (c *crowd) enterLarge(g *guest) {
	c.mu.Lock()
	c.large = append(c.large, g)
	var oldest *guest
	if len(c.large) > maxLarge {
		oldest = c.large[0] // before what follows moves the others
		c.large = slices.Delete(c.large, 0, 1)
	}
	c.mu.Unlock()
	if oldest != nil {
		c.turnOut([]*guest{oldest})
	}
}

func (c *crowd) leaveLarge(g *guest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.large, g); i >= 0 {
		c.large = slices.Delete(c.large, i, i+1)
	}
}
