package notifyhook

import (
	"net/netip"
	"sync"
	"time"
)

// clientOf reads an http.Request's RemoteAddr, with or without a port. What
// cannot be read is the zero Addr, which is in no network.
func clientOf(remote string) netip.Addr {
	if ap, err := netip.ParseAddrPort(remote); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	addr, _ := netip.ParseAddr(remote)
	return addr.Unmap().WithZone("")
}

// admits says whether callers from the address are let in.
func (rt *route) admits(client netip.Addr) bool {
	if len(rt.AllowFrom) == 0 {
		return true
	}
	for _, network := range rt.AllowFrom {
		if network.Contains(client) {
			return true
		}
	}
	return false
}

const (
	maxRefusals    = 4096      // pairs of route and address that are counted
	forgetRefusals = time.Hour // after the last one
)

// refusals counts callers that were refused, for the log alone: nobody is
// locked out by somebody else's mistakes behind the same address. Its zero value
// is ready.
type refusals struct {
	mu    sync.Mutex
	count map[refusal]counted
}

type refusal struct {
	route  string
	client netip.Addr
}

type counted struct {
	n    int
	last time.Time
}

// note counts one and reports how many there were, and whether that is worth a
// line in the log: the first, the 10th, the 100th …
func (f *refusals) note(route string, client netip.Addr, now time.Time) (n int, tell bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count == nil {
		f.count = map[refusal]counted{}
	}
	if client.Is6() { // who has one address of a network has them all
		if network, err := client.Prefix(64); err == nil {
			client = network.Addr()
		}
	}
	at := refusal{route: route, client: client}
	if _, known := f.count[at]; !known && len(f.count) >= maxRefusals {
		f.forget(now)
	}
	one := f.count[at]
	if now.Sub(one.last) > forgetRefusals {
		one.n = 0
	}
	one.n, one.last = one.n+1, now
	f.count[at] = one
	return one.n, isPowerOfTen(one.n)
}

func isPowerOfTen(n int) bool {
	for n > 0 && n%10 == 0 {
		n /= 10
	}
	return n == 1
}

// forget makes room: those of long ago, or else all, rather than grow.
func (f *refusals) forget(now time.Time) {
	for at, one := range f.count {
		if now.Sub(one.last) > forgetRefusals {
			delete(f.count, at)
		}
	}
	if len(f.count) >= maxRefusals {
		clear(f.count)
	}
}
