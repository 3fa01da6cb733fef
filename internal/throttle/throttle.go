// Package throttle bounds how often one client may try what mostly strangers
// try in vain: to begin sign-ins, to guess credentials. Whoever counts looks at
// the credential first and counts only what failed, or gives back what
// succeeded, so that nobody who has a right to come in pays for what others do
// behind the same address.
//
// What it takes is bounded, whoever comes: as many buckets as an LRU cache
// holds, of which a flood from ever new addresses pushes out the oldest, which
// are then as if never used. Nothing of it is shared between replicas.
package throttle

import (
	"hash/maphash"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Budget is what a client may do: so many at once, and again as time passes.
// The zero value allows nothing.
type Budget struct {
	Burst     int
	PerMinute int
}

// Key is what is counted: of one kind, on one route, by one client. That the
// route is a part of it keeps those who attack one customer from using up what
// another's people have behind the same address.
type Key struct {
	What  string // a constant word, such as "service_tokens"
	Route string // the host; empty: no route's
	Who   Who
}

// Who is a client as far as limits go.
type Who string

// Everybody is all clients together.
const Everybody Who = "*"

// From gives the client at an address, however that is written: an IPv4 address
// mapped into IPv6 is the IPv4 address, zones do not count, and of IPv6 it is the
// network of 64 bits, since who has one address of such a network has them all.
// Addresses that could not be read are one client.
func From(addr netip.Addr) Who {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		if network, err := addr.Prefix(64); err == nil {
			return Who(network.String())
		}
	}
	return Who(addr.String())
}

// The cache holds 16,384 buckets, in a few MiB, however they fall into the shards.
const shards, perShard = 16, 1024

// Limits are the buckets of a process. It is safe for concurrent use.
type Limits struct {
	now    func() time.Time
	seed   maphash.Seed
	shards [shards]*lru.Cache[Key, *bucket]
	floods floods
}

// New gives limits of which none has been used. now is the clock; nil means
// time.Now.
func New(log *slog.Logger, now func() time.Time) *Limits {
	if now == nil {
		now = time.Now
	}
	l := &Limits{now: now, seed: maphash.MakeSeed(), floods: floods{log: log}}
	for i := range l.shards {
		l.shards[i], _ = lru.New[Key, *bucket](perShard) // fails only for a size below 1
	}
	return l
}

// bucket holds what a client has left.
type bucket struct {
	mu   sync.Mutex
	left float64
	at   time.Time // when it was so
}

// refill brings a bucket to now; the caller holds its lock.
func (b *bucket) refill(of Budget, now time.Time) {
	if passed := now.Sub(b.at); passed > 0 {
		b.left = min(float64(of.Burst), b.left+passed.Minutes()*float64(of.PerMinute))
		b.at = now
	}
}

// of gives the bucket of a key: a full one, if there is none.
func (l *Limits) of(k Key, budget Budget, now time.Time) *bucket {
	shard := l.shards[maphash.Comparable(l.seed, k)%shards]
	if b, ok := shard.Get(k); ok {
		return b
	}
	full := &bucket{left: float64(budget.Burst), at: now}
	if b, ok, _ := shard.PeekOrAdd(k, full); ok {
		return b
	}
	return full
}

// Take takes one of what k may do, and gives 0. Where nothing is left it gives
// after how long there is, in whole seconds: then the client is held back, which
// Floods and the log tell of.
func (l *Limits) Take(k Key, budget Budget) (wait time.Duration) {
	now := l.now()
	if wait = l.of(k, budget, now).take(budget, now); wait > 0 {
		l.floods.note(k, now)
	}
	return wait
}

func (b *bucket) take(budget Budget, now time.Time) (wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill(budget, now)
	if b.left >= 1 {
		b.left--
		return 0
	}
	if budget.PerMinute < 1 {
		return time.Hour
	}
	lacks := (1 - b.left) / float64(budget.PerMinute) * float64(time.Minute)
	return max(time.Duration(lacks).Truncate(time.Second)+time.Second, time.Second)
}

// Spent reports whether nothing is left of what k may do. It takes nothing.
func (l *Limits) Spent(k Key, budget Budget) bool {
	now := l.now()
	b := l.of(k, budget, now)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill(budget, now)
	return b.left < 1
}

// GiveBack gives back one that was taken: it was not in vain.
func (l *Limits) GiveBack(k Key, budget Budget) {
	now := l.now()
	b := l.of(k, budget, now)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill(budget, now)
	b.left = min(float64(budget.Burst), b.left+1)
}
