package notifyhook

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"
)

// place is a lane by name. All transactions that lock several lanes and wait
// for them do it in the order of compare, so none waits for another in a circle.
type place struct {
	lane         string
	conversation string // empty: not resolved yet
}

// place returns the lane in which a delivery to the recipient begins: that of
// the conversation if the recipient is one, else the recipient's own.
func (rt *route) place(to string) place {
	if kind, _ := classify(to); kind == conversationID {
		return rt.app.conversation(to)
	}
	return place{lane: rt.app.name + ">" + to}
}

// conversation returns the lane of a Slack conversation.
func (a *app) conversation(id string) place {
	return place{lane: a.name + "/" + id, conversation: id}
}

// scheduled returns a lane for a single delivery whose time has not come. It is
// resolved, and joins the conversation's lane, when it has.
func (rt *route) scheduled(delivery string) place { return place{lane: rt.app.name + "@" + delivery} }

// placeOf returns a lane by its name.
func placeOf(lane string) place { return place{lane: lane, conversation: conversationOf(lane)} }

// compare orders lanes for locking: those that are not resolved first.
func (p place) compare(other place) int {
	if a, b := p.conversation != "", other.conversation != ""; a != b {
		if a {
			return 1
		}
		return -1
	}
	return cmp.Compare(p.lane, other.lane)
}

// laneDue is a lane that a delivery joins, and when that is due.
type laneDue struct {
	place
	app *app
	due time.Time
}

// The statement that makes sure that a lane is there, is due no later than its
// own not_before allows, and is locked until the transaction ends.
const (
	queueLane = `INSERT INTO lane (lane, app, conversation, due_at)`
	orSooner  = ` ON CONFLICT (lane) DO UPDATE SET due_at = CASE
		WHEN lane.due_at IS NOT NULL THEN lane.due_at
		WHEN lane.not_before > excluded.due_at THEN lane.not_before
		ELSE excluded.due_at END`
)

func (l laneDue) row() []any {
	return []any{l.lane, l.app.name, sql.NullString{String: l.conversation, Valid: l.conversation != ""}, l.due.UnixMilli()}
}

// queue makes a lane due, and locks it.
func (p place) queue(ctx context.Context, tx *sql.Tx, a *app, due time.Time) error {
	text, args := values([][]any{laneDue{place: p, app: a, due: due}.row()})
	if _, err := tx.ExecContext(ctx, queueLane+text+orSooner, args...); err != nil {
		return fmt.Errorf("queue lane: %w", err)
	}
	return nil
}

// queueLanes makes lanes due, and locks them in the order of all.
func (r *Relay) queueLanes(ctx context.Context, tx *sql.Tx, lanes []laneDue) error {
	slices.SortFunc(lanes, func(a, b laneDue) int { return cmp.Or(a.place.compare(b.place), a.due.Compare(b.due)) })
	lanes = slices.CompactFunc(lanes, func(a, b laneDue) bool { return a.lane == b.lane }) // the first due stays
	rows := make([][]any, len(lanes))
	for i, l := range lanes {
		rows[i] = l.row()
	}
	if err := r.insert(ctx, tx, queueLane, rows, orSooner); err != nil {
		return fmt.Errorf("queue lanes: %w", err)
	}
	return nil
}
