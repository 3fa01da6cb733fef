package notifyhook

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

const (
	surveyPage = 500 // apps looked for in one query
	restFactor = 10  // rest between long surveys: so many times what the last one took
)

// survey is what is known of the search for apps with something queued.
type survey struct {
	wanted atomic.Bool // somebody queued something and did not say for which app
	cursor string      // the last app found; empty: a new pass begins
	begun  time.Time   // by the store's clock
	took   time.Duration
	rest   time.Time // by this process's clock: no new pass before
}

// waitingQuery lists apps with something queued, from the one after $1 on, and
// when the first lane of each comes due. It hops from app to app: two seeks in
// lane_app for each, however many lanes it has.
const waitingQuery = `WITH RECURSIVE waiting (app, n) AS (
		SELECT (SELECT app FROM lane WHERE due_at IS NOT NULL AND app > $1 ORDER BY app, due_at LIMIT 1), 1
		UNION ALL
		SELECT (SELECT l.app FROM lane l WHERE l.due_at IS NOT NULL AND l.app > waiting.app ORDER BY l.app, l.due_at LIMIT 1), n + 1
		FROM waiting WHERE app IS NOT NULL AND n < $2)
	SELECT app, (SELECT l.due_at FROM lane l WHERE l.due_at IS NOT NULL AND l.app = waiting.app ORDER BY l.app, l.due_at LIMIT 1)
	FROM waiting WHERE app IS NOT NULL`

// waitingApps lists up to limit apps with something queued, by name.
func (r *Relay) waitingApps(ctx context.Context, after string, limit int, found func(app string, due time.Time)) (last string, err error) {
	rows, err := r.store.Read().QueryContext(ctx, waitingQuery, after, limit)
	if err != nil {
		return "", fmt.Errorf("list waiting apps: %w", err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var due *int64 // NULL: its last lane was emptied in between
		if err := rows.Scan(&last, &due); err != nil {
			return "", fmt.Errorf("list waiting apps: %w", err)
		}
		if due != nil {
			found(last, time.UnixMilli(*due))
		}
	}
	if err := rows.Err(); err != nil {
		return "", fmt.Errorf("list waiting apps: %w", err)
	}
	if n < limit {
		last = ""
	}
	return last, nil
}

// look finds apps whose lanes came due without this process's doing: what other
// replicas and the last run queued, and leases that ran out. It goes over all of
// them once in every interval, one page at each call; a pass that took several
// pages is followed by a rest.
func (v *survey) look(ctx context.Context, r *Relay, now time.Time) error {
	since := now.Sub(v.begun)
	if v.cursor == "" {
		if wanted := v.wanted.Load(); !wanted && since >= 0 && since < r.interval() || time.Now().Before(v.rest) {
			return nil
		}
		v.wanted.Store(false)
		v.begun, v.took = now, 0
	}
	start, isFirst, waits := time.Now(), v.cursor == "", r.mustWait(r.conf.Load())
	last, err := r.waitingApps(ctx, v.cursor, surveyPage, func(name string, due time.Time) {
		if !waits(name) {
			r.shares.queue(name, due)
		}
	})
	if err != nil {
		v.wanted.Store(true)
		return err
	}
	v.cursor = last
	if v.took += time.Since(start); last == "" && !isFirst {
		v.rest = time.Now().Add(restFactor * v.took)
	}
	return nil
}

// interval is how long something may go unseen of which this process was not
// told: a lease that ran out, and on PostgreSQL what other replicas accept.
func (r *Relay) interval() time.Duration {
	if r.store.Postgres() {
		return pollShare
	}
	return pollAlone
}

// queued tells Run that something of the app is due. It never waits.
func (r *Relay) queued(a *app) {
	r.shares.queue(a.name, time.Time{})
	r.rouse()
}

// nudge tells Run that something is due; queued is cheaper. It never waits.
func (r *Relay) nudge() {
	r.survey.wanted.Store(true)
	r.rouse()
}

func (r *Relay) rouse() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// pause is how long Run may wait after a round that claimed so many lanes.
func (r *Relay) pause(claimed int) time.Duration {
	wait := r.interval()
	if r.survey.cursor != "" {
		wait = pollSoon // a page more
	}
	due, ok := r.shares.nextDue()
	if !ok {
		return wait
	}
	if claimed > 0 && due.IsZero() {
		return 0
	}
	return min(max(due.Sub(r.lastClaim.now)-time.Since(r.lastClaim.at), pollSoon), wait)
}
