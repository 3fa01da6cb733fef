package notifyhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// MaxReplays is how many notifications ReplayFailed replays at once.
const MaxReplays = 500

// Replays is what came of ReplayFailed.
type Replays struct {
	Replayed []Replayed `json:"replayed"` // newest first
	Before   int        `json:"before"`   // passed over: replayed before
	More     bool       `json:"more"`     // there are others, for another time
}

// Replayed is one notification and the one that repeats it.
type Replayed struct {
	ID  string `json:"id"`
	New string `json:"new"`
}

// ReplayFailed replays a route's notifications of which something was given up,
// the newest first and at most MaxReplays of them; reason, if it is not empty, is
// the error that must have been the cause. What was replayed before is passed
// over, so that doing it again goes on, and sends nothing twice. An error in the
// middle comes with what was done before it.
func (r *Relay) ReplayFailed(ctx context.Context, route, reason string) (Replays, error) {
	out := Replays{Replayed: []Replayed{}}
	before, err := r.replayedBefore(ctx, route)
	if err != nil {
		return out, err
	}
	for _, status := range []string{"failed", "partial"} {
		q := Query{Route: route, Status: status, Limit: 100}
		for {
			page, err := r.List(ctx, q)
			if err != nil {
				return out, err
			}
			for _, n := range page.Items {
				if !n.failedBy(reason) {
					continue
				}
				if before[n.ID] {
					out.Before++
					continue
				}
				if len(out.Replayed) == MaxReplays {
					out.More = true
					return out, nil
				}
				id, err := r.Replay(ctx, route, n.ID, false)
				if errors.Is(err, ErrNotFound) || errors.Is(err, ErrNothingToReplay) { // others may have done it
					continue
				}
				if err != nil {
					return out, fmt.Errorf("replay %s: %w", n.ID, err)
				}
				out.Replayed = append(out.Replayed, Replayed{ID: n.ID, New: id})
			}
			if q.Cursor = page.Next; page.Next == "" {
				break
			}
		}
	}
	return out, nil
}

// failedBy says whether some delivery was given up for that reason; any, if it
// is empty.
func (v Notification) failedBy(reason string) bool {
	return slices.ContainsFunc(v.Recipients, func(d Delivery) bool { return d.State == "dead" && (reason == "" || d.Error == reason) })
}

// replayedBefore are the route's notifications that another one repeats.
func (r *Relay) replayedBefore(ctx context.Context, route string) (map[string]bool, error) {
	rows, err := r.store.Read().QueryContext(ctx, `SELECT DISTINCT replay_of FROM notification WHERE route = $1 AND replay_of IS NOT NULL`, route)
	if err != nil {
		return nil, fmt.Errorf("find replays: %w", err)
	}
	defer rows.Close()
	before := map[string]bool{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("find replays: %w", err)
		}
		before[id] = true
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("find replays: %w", err)
	}
	return before, nil
}
