package notifyhook

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
)

// cancel ends what of a notification is not on its way yet. The answer says of
// each recipient what became of it: some may have their message already.
func (e endpoint) cancel(v visit) *problem {
	ctx, cancel := context.WithTimeout(v.r.Context(), storeTimeout)
	defer cancel()
	id, p := v.id()
	if p != nil {
		return p
	}
	ended, err := e.relay.cancel(ctx, e.route.host, id)
	if err != nil {
		return e.missing(v.r, err)
	}
	n, err := e.relay.show(ctx, e.route.host, id)
	if err != nil {
		return e.missing(v.r, err)
	}
	if ended == 0 && n.Status != "cancelled" { // cancelled before is what was asked for
		p := &problem{Status: http.StatusConflict, Code: "nothing_to_cancel", Detail: "every recipient's message is sent, being sent, or over"}
		for _, d := range n.Recipients {
			p.Errors = append(p.Errors, fieldError{Field: d.To, Code: d.State})
		}
		return p
	}
	e.relay.log.Info("notification cancelled", "route", e.route.host, "notification", id, "deliveries", ended, "credential", v.who.credential())
	writeJSON(v.w, http.StatusOK, n)
	return nil
}

// cancel ends the queued deliveries of a notification and returns how many. A
// delivery whose attempt has begun is its worker's: begin and cancel both ask
// for the state queued, so one of them comes too late and leaves it alone. The
// lanes stay due, and the next claim finds them empty.
func (r *Relay) cancel(ctx context.Context, host, id string) (ended int, err error) {
	now, err := r.clock(ctx)
	if err != nil {
		return 0, err
	}
	err = r.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		ended = 0 // the function may run again
		list, err := r.lockQueued(ctx, tx, host, id)
		if err != nil {
			return err
		}
		for _, delivery := range list {
			c := claim{delivery: delivery, notification: id, at: now}
			if err := r.end(ctx, tx, &c, verdict{state: "cancelled", reason: "cancelled"}, outcome{}); err != nil {
				return err
			}
		}
		ended = len(list)
		return nil
	})
	return ended, err
}

// lockQueued returns the queued deliveries of a notification, which nobody can
// begin until the transaction ends.
func (r *Relay) lockQueued(ctx context.Context, tx *sql.Tx, host, id string) ([]string, error) {
	// #nosec G202 -- what is joined is placeholders and conditions of our own, never a value
	rows, err := tx.QueryContext(ctx, `SELECT id FROM delivery WHERE notification_id = $1 AND route = $2 AND state = 'queued' ORDER BY seq `+r.forUpdate(), id, host)
	if err != nil {
		return nil, fmt.Errorf("find deliveries to cancel: %w", err)
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var delivery string
		if err := rows.Scan(&delivery); err != nil {
			return nil, fmt.Errorf("find deliveries to cancel: %w", err)
		}
		list = append(list, delivery)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("find deliveries to cancel: %w", err)
	}
	return list, nil
}
