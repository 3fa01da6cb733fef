package notifyhook

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// MaxTally bounds the counts of a Tally.
const MaxTally = 1000

// Tally is how the deliveries of a route stand. Counts go no further than
// MaxTally, which then means as many or more: nobody waits for the rest.
type Tally struct {
	Waiting int `json:"waiting"` // queued or being sent
	Failed  int `json:"failed"`  // given up, as long as they are kept
	// LastSent is when Slack took a message of the route last; missing: none that
	// is kept was.
	LastSent *time.Time `json:"last_sent,omitempty"`
}

// Tallies gives those of some routes, by their hosts, with one look at the
// store. Who has no notifications has the zero Tally.
func (r *Relay) Tallies(ctx context.Context, hosts []string) (map[string]Tally, error) {
	out := make(map[string]Tally, len(hosts))
	if len(hosts) == 0 {
		return out, nil
	}
	rows := make([][]any, len(hosts))
	for i, host := range hosts {
		rows[i] = []any{host}
	}
	list, args := values(rows)
	found, err := r.store.Read().QueryContext(ctx, `WITH asked (host) AS (`+list+`) SELECT host,
		(SELECT COUNT(*) FROM (SELECT 1 FROM delivery d WHERE d.route = asked.host AND d.state = 'queued' LIMIT 1000) AS q) +
		(SELECT COUNT(*) FROM (SELECT 1 FROM delivery d WHERE d.route = asked.host AND d.state = 'sending' LIMIT 1000) AS s),
		(SELECT COUNT(*) FROM (SELECT 1 FROM delivery d WHERE d.route = asked.host AND d.state = 'dead' LIMIT 1000) AS f),
		(SELECT d.finished_at FROM delivery d WHERE d.route = asked.host AND d.state = 'sent' ORDER BY d.seq DESC LIMIT 1)
		FROM asked`, args...)
	if err != nil {
		return nil, fmt.Errorf("count deliveries of routes: %w", err)
	}
	defer found.Close()
	for found.Next() {
		var host string
		var t Tally
		var last sql.NullInt64
		if err := found.Scan(&host, &t.Waiting, &t.Failed, &last); err != nil {
			return nil, fmt.Errorf("count deliveries of routes: %w", err)
		}
		t.Waiting, t.LastSent = min(t.Waiting, MaxTally), nullMoment(last)
		out[host] = t
	}
	if err := found.Err(); err != nil {
		return nil, fmt.Errorf("count deliveries of routes: %w", err)
	}
	return out, nil
}
