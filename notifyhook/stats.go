package notifyhook

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Stats are the deliveries of all routes by state, as far as they are kept.
type Stats struct {
	Queued     int `json:"queued"`
	Sending    int `json:"sending"`
	Sent       int `json:"sent"`
	Dead       int `json:"dead"`
	Cancelled  int `json:"cancelled"`
	Suppressed int `json:"suppressed"`
}

const (
	// countPatience is how long who only looks waits for a count.
	countPatience = 50 * time.Millisecond
	// countLimit ends a count that hangs.
	countLimit = time.Minute
)

// lastStats is the last count.
type lastStats struct {
	mu      sync.Mutex
	stats   Stats
	at      time.Time     // when it was made; zero: never
	until   time.Time     // until when it is good
	err     error         // of the last attempt
	running chan struct{} // closed when the one that is under way is over; nil: none is
}

// Stats counts the deliveries. With a million of them that takes a while, so an
// answer is given again for ten times as long as the counting took.
func (r *Relay) Stats(ctx context.Context) (Stats, error) {
	l := &r.lastStats
	if running := r.recount(); running != nil {
		select {
		case <-running:
		case <-ctx.Done():
			return Stats{}, fmt.Errorf("count deliveries: %w", ctx.Err())
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return Stats{}, l.err
	}
	return l.stats, nil
}

// RecentStats gives the last count, and when it was made, without waiting for a
// new one that takes more than a moment: that one goes on by itself. The time is
// zero before the first is over.
func (r *Relay) RecentStats() (Stats, time.Time, error) {
	l := &r.lastStats
	if running := r.recount(); running != nil {
		timer := time.NewTimer(countPatience)
		defer timer.Stop()
		select {
		case <-running:
		case <-timer.C:
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running == nil && l.err != nil {
		return Stats{}, time.Time{}, l.err
	}
	return l.stats, l.at, nil
}

// recount gives the end of the count that is under way, and begins one before; nil
// if the last one is still good.
func (r *Relay) recount() (running chan struct{}) {
	l := &r.lastStats
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running == nil && (l.err != nil || !time.Now().Before(l.until)) {
		l.running = make(chan struct{})
		go r.count(l.running)
	}
	return l.running
}

// count belongs to nobody who asked: the next one profits from it.
func (r *Relay) count(done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), countLimit)
	defer cancel()
	begun := time.Now()
	stats, err := r.countByState(ctx)
	l := &r.lastStats
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.err = err; err == nil {
		l.stats, l.at, l.until = stats, now, now.Add(restFactor*now.Sub(begun))
	}
	l.running = nil
	close(done)
}

// countQuery reads an index, not the rows.
const countQuery = `SELECT state, COUNT(*) FROM delivery GROUP BY state`

func (r *Relay) countByState(ctx context.Context) (s Stats, err error) {
	rows, err := r.store.Read().QueryContext(ctx, countQuery)
	if err != nil {
		return s, fmt.Errorf("count deliveries: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var state string
		var n int
		if err := rows.Scan(&state, &n); err != nil {
			return s, fmt.Errorf("count deliveries: %w", err)
		}
		switch state {
		case "queued":
			s.Queued = n
		case "sending":
			s.Sending = n
		case "sent":
			s.Sent = n
		case "dead":
			s.Dead = n
		case "cancelled":
			s.Cancelled = n
		case "suppressed":
			s.Suppressed = n
		}
	}
	if err := rows.Err(); err != nil {
		return s, fmt.Errorf("count deliveries: %w", err)
	}
	return s, nil
}
