package notifyhook

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

// summaries reads notifications, in the order given. One that was deleted in
// between is empty.
func (r *Relay) summaries(ctx context.Context, list []listed) ([]Notification, error) {
	found := make([]Notification, len(list))
	if len(list) == 0 {
		return found, nil
	}
	at, in, args := map[string]*Notification{}, "", []any{}
	for i, one := range list {
		at[one.id] = &found[i]
		args = append(args, one.id)
		in += ", $" + strconv.Itoa(len(args))
	}
	in = "(" + in[2:] + ")"
	order, err := r.summarize(ctx, in, args, at)
	if err != nil {
		return nil, err
	}
	if err := r.summarizeDeliveries(ctx, in, args, at); err != nil {
		return nil, err
	}
	for id, n := range at {
		place := func(d Delivery) int {
			if i := slices.Index(order[id], d.To); i >= 0 {
				return i
			}
			return len(order[id])
		}
		slices.SortStableFunc(n.Recipients, func(a, b Delivery) int { return place(a) - place(b) })
		if n.Status == "queued" {
			n.Status = n.open()
		}
		for i := range n.Recipients {
			n.Recipients[i].History = nil // there was none, or some, which was all that was asked
		}
	}
	return found, nil
}

// summarize reads the notifications' own rows, and returns the recipients asked
// for by id.
func (r *Relay) summarize(ctx context.Context, in string, args []any, at map[string]*Notification) (map[string][]string, error) {
	rows, err := r.store.Read().QueryContext(ctx, `SELECT id, route, idem_key, type, request, status, credential, replay_of, accepted_at, expires_at, finished_at
		FROM notification WHERE id IN `+in, args...)
	if err != nil {
		return nil, fmt.Errorf("read notifications: %w", err)
	}
	defer rows.Close()
	order := map[string][]string{}
	for rows.Next() {
		var n Notification
		var asked string
		var key, replayOf sql.NullString
		var accepted, expires int64
		var finished sql.NullInt64
		if err := rows.Scan(&n.ID, &n.Route, &key, &n.Type, &asked, &n.Status, &n.Credential, &replayOf, &accepted, &expires, &finished); err != nil {
			return nil, fmt.Errorf("read notifications: %w", err)
		}
		var q request
		_ = json.Unmarshal([]byte(asked), &q) // what cannot be read is shown by its deliveries
		n.Key, n.ReplayOf, n.Meta, n.Recipients = callersKey(key), replayOf.String, q.Meta, []Delivery{}
		n.AcceptedAt, n.ExpiresAt, n.FinishedAt = *moment(accepted), *moment(expires), nullMoment(finished)
		if q.SendAt > accepted {
			n.SendAt = moment(q.SendAt)
		}
		*at[n.ID], order[n.ID] = n, q.To
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read notifications: %w", err)
	}
	return order, nil
}

func (r *Relay) summarizeDeliveries(ctx context.Context, in string, args []any, at map[string]*Notification) error {
	rows, err := r.store.Read().QueryContext(ctx, `SELECT d.notification_id, d.recipient, d.state, d.attempts, d.possible_duplicate, d.last_error,
			d.slack_channel, d.slack_ts, d.finished_at, l.not_before, l.due_at, EXISTS (SELECT 1 FROM attempt a WHERE a.delivery_id = d.id)
		FROM delivery d LEFT JOIN lane l ON l.lane = d.lane WHERE d.notification_id IN `+in+` ORDER BY d.seq`, args...)
	if err != nil {
		return fmt.Errorf("read deliveries: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var d Delivery
		var finished, notBefore, due sql.NullInt64
		var tried bool
		if err := rows.Scan(&id, &d.To, &d.State, &d.Attempts, &d.PossibleDuplicate, &d.Error, &d.Channel, &d.TS, &finished, &notBefore, &due, &tried); err != nil {
			return fmt.Errorf("read deliveries: %w", err)
		}
		d.FinishedAt = nullMoment(finished)
		if d.State == "queued" && due.Valid {
			d.NextAt = moment(max(due.Int64, notBefore.Int64))
		}
		if tried {
			d.History = []Attempt{{}}
		}
		at[id].Recipients = append(at[id].Recipients, d)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read deliveries: %w", err)
	}
	return nil
}
