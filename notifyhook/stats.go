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

// lastStats is the last answer of Stats, and until when it is good.
type lastStats struct {
	mu    sync.Mutex
	stats Stats
	until time.Time
}

// Stats counts the deliveries. With a million of them that takes a while, so an
// answer is given again for ten times as long as the counting took.
func (r *Relay) Stats(ctx context.Context) (Stats, error) {
	r.lastStats.mu.Lock()
	defer r.lastStats.mu.Unlock()
	start := time.Now()
	if start.Before(r.lastStats.until) {
		return r.lastStats.stats, nil
	}
	s, err := r.countByState(ctx)
	if err != nil {
		return Stats{}, err
	}
	r.lastStats.stats, r.lastStats.until = s, time.Now().Add(restFactor*time.Since(start))
	return s, nil
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
