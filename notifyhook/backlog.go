package notifyhook

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/store"
)

const (
	recountAfter = time.Minute // what other replicas accepted, and what was delivered
	recountFull  = time.Second // a route that is full, or seems to be
	fullAgain    = 60          // seconds until a caller should come back
)

// backlogs are how many deliveries of each route wait: counted now and then,
// and in between raised by what is accepted here. There is no limit on the rate
// of accepting: a caller that does not try again, as most old ones, would lose
// what it refuses, and waiting costs nothing but a row. The zero value is ready.
type backlogs struct {
	mu     sync.Mutex
	routes map[string]*backlog
}

type backlog struct {
	mu       sync.Mutex
	open     int
	counted  time.Time // when the store was last asked
	counting bool
	full     bool // somebody was refused since there was room
}

func (b *backlogs) of(host string) *backlog {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.routes == nil {
		b.routes = map[string]*backlog{}
	}
	if b.routes[host] == nil {
		b.routes[host] = &backlog{}
	}
	return b.routes[host]
}

// isFull reports whether n more would be too many, and makes room for them if
// not; and whether it said otherwise before. Who meets another caller counting
// goes by the last figure.
func (b *backlog) isFull(n, limit int, now time.Time, count func() (int, error)) (full, changed bool) {
	b.mu.Lock()
	age := now.Sub(b.counted)
	if due := age >= recountAfter || age < 0 || b.open+n > limit && age >= recountFull; due && !b.counting {
		b.counting = true
		before := b.open
		b.mu.Unlock()
		open, err := count()
		b.mu.Lock()
		b.counting, b.counted = false, now
		if err == nil {
			b.open = open + b.open - before // what was accepted meanwhile may be in both
		} else {
			b.open = 0 // what cannot be counted is admitted
		}
	}
	defer b.mu.Unlock()
	before := b.full
	if b.full = b.open+n > limit; !b.full {
		b.open += n
	}
	return b.full, b.full != before
}

// room refuses a request whose deliveries would be more than may wait for its
// route. What was accepted before, under the same key, is not refused.
func (r *Relay) room(ctx context.Context, rt *route, q request) *problem {
	full, changed := r.backlogs.of(rt.host).isFull(len(q.To), rt.Limits.Backlog, r.now(), func() (int, error) {
		open, err := r.countOpen(ctx, rt)
		if err != nil {
			r.log.Error("count backlog failed", "route", rt.host, "error", err)
		}
		return open, err
	})
	switch {
	case changed && full:
		r.raise(rt.app.name, alarmBacklog, "too_many_open_deliveries")
	case changed:
		r.alarms.clear(rt.app.name, alarmBacklog)
	}
	if !full || q.Key != "" && r.isKnown(ctx, rt, q.Key) {
		return nil
	}
	return &problem{Status: http.StatusTooManyRequests, Code: "backlog_full", RetryAfter: fullAgain,
		Detail: fmt.Sprintf("%d deliveries of this route wait already; send it again later, with the same key", rt.Limits.Backlog)}
}

// countOpen counts no further than the limit.
func (r *Relay) countOpen(ctx context.Context, rt *route) (n int, err error) {
	err = r.store.Read().QueryRowContext(ctx, `SELECT COUNT(*) FROM (SELECT 1 FROM delivery WHERE route = $1 AND state IN ('queued', 'sending') LIMIT $2) AS open`,
		rt.host, rt.Limits.Backlog).Scan(&n)
	if err != nil {
		return 0, store.Classify(fmt.Errorf("count open deliveries: %w", err))
	}
	return n, nil
}

func (r *Relay) isKnown(ctx context.Context, rt *route, key string) bool {
	var one int
	return r.store.Read().QueryRowContext(ctx, `SELECT 1 FROM notification WHERE route = $1 AND idem_key = $2`, rt.host, key).Scan(&one) == nil
}
