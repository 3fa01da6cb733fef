package notifyhook

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
)

// show reads one notification of a route, with the history of its deliveries.
// The error may be ErrNotFound.
func (r *Relay) show(ctx context.Context, host, id string) (Notification, error) {
	list, err := r.read(ctx, []string{id})
	if err != nil {
		return Notification{}, err
	}
	n := list[0]
	if n.ID == "" || n.Route != host {
		return n, ErrNotFound
	}
	return n, r.readHistory(ctx, id, n.Recipients)
}

// read reads notifications, in the order given, without the histories of their
// deliveries. One that is not there is empty.
func (r *Relay) read(ctx context.Context, ids []string) ([]Notification, error) {
	found := make([]Notification, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	var args params
	in := "(" + addAll(&args, ids) + ")"
	rows, err := r.readRows(ctx, in, args)
	if err != nil {
		return nil, err
	}
	deliveries, err := r.readDeliveries(ctx, in, args)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		one, ok := rows[id]
		if !ok {
			continue
		}
		one.Recipients = arrange(deliveries[id], one.asked)
		if one.FinishedAt == nil {
			one.Status = one.openStatus()
		}
		found[i] = one.Notification
	}
	return found, nil
}

// notificationRow is a notification's own row.
type notificationRow struct {
	Notification
	asked []string // recipients, in the order asked
}

func (r *Relay) readRows(ctx context.Context, in string, args []any) (map[string]notificationRow, error) {
	rows, err := r.store.Read().QueryContext(ctx, `SELECT id, route, idem_key, type, request, status, credential, replay_of, accepted_at, expires_at, finished_at
		FROM notification WHERE id IN `+in, args...)
	if err != nil {
		return nil, fmt.Errorf("read notifications: %w", err)
	}
	defer rows.Close()
	found := map[string]notificationRow{}
	for rows.Next() {
		var n notificationRow
		var asked string
		var key, replayOf sql.NullString
		var accepted, expires int64
		var finished sql.NullInt64
		if err := rows.Scan(&n.ID, &n.Route, &key, &n.Type, &asked, &n.Status, &n.Credential, &replayOf, &accepted, &expires, &finished); err != nil {
			return nil, fmt.Errorf("read notifications: %w", err)
		}
		var q request
		_ = json.Unmarshal([]byte(asked), &q) // what cannot be read is shown by its deliveries
		n.Key, n.ReplayOf, n.Meta, n.asked = callersKey(key), replayOf.String, q.Meta, q.To
		n.AcceptedAt, n.ExpiresAt, n.FinishedAt = *moment(accepted), *moment(expires), nullMoment(finished)
		if q.SendAt > accepted {
			n.SendAt = moment(q.SendAt)
		}
		found[n.ID] = n
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read notifications: %w", err)
	}
	return found, nil
}

// readDeliveries reads the deliveries of notifications, oldest first.
func (r *Relay) readDeliveries(ctx context.Context, in string, args []any) (map[string][]Delivery, error) {
	rows, err := r.store.Read().QueryContext(ctx, `SELECT d.notification_id, d.id, d.recipient, d.state, d.attempts, d.possible_duplicate, d.last_error, d.slack_channel, d.slack_ts,
			COALESCE(d.instead_of, ''), COALESCE(i.recipient, ''), COALESCE(m.notification_id, ''), d.due_at, d.resolved_at, d.begun_at, d.finished_at,
			l.not_before, l.due_at, EXISTS (SELECT 1 FROM attempt a WHERE a.delivery_id = d.id)
		FROM delivery d LEFT JOIN lane l ON l.lane = d.lane LEFT JOIN delivery i ON i.id = d.instead_of LEFT JOIN delivery m ON m.id = d.merged_into
		WHERE d.notification_id IN `+in+` ORDER BY d.seq`, args...)
	if err != nil {
		return nil, fmt.Errorf("read deliveries: %w", err)
	}
	defer rows.Close()
	found := map[string][]Delivery{}
	for rows.Next() {
		var of string
		var d Delivery
		var due int64
		var resolved, begun, finished, notBefore, laneDue sql.NullInt64
		if err := rows.Scan(&of, &d.id, &d.To, &d.State, &d.Attempts, &d.PossibleDuplicate, &d.Error, &d.Channel, &d.TS,
			&d.insteadOf, &d.InsteadOf, &d.MergedInto, &due, &resolved, &begun, &finished, &notBefore, &laneDue, &d.tried); err != nil {
			return nil, fmt.Errorf("read deliveries: %w", err)
		}
		d.DueAt, d.ResolvedAt, d.BegunAt, d.FinishedAt = *moment(due), nullMoment(resolved), nullMoment(begun), nullMoment(finished)
		if d.State == "queued" && laneDue.Valid {
			d.NextAt = moment(max(laneDue.Int64, notBefore.Int64))
		}
		found[of] = append(found[of], d)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read deliveries: %w", err)
	}
	return found, nil
}

// readHistory fills in the attempts of a notification's deliveries.
func (r *Relay) readHistory(ctx context.Context, notification string, list []Delivery) error {
	at := map[string]*Delivery{}
	for i := range list {
		list[i].History = []Attempt{}
		at[list[i].id] = &list[i]
	}
	rows, err := r.store.Read().QueryContext(ctx, `SELECT a.delivery_id, a.n, a.begun_at, a.ended_at, a.method, a.outcome, a.error, a.again_at
		FROM attempt a JOIN delivery d ON d.id = a.delivery_id WHERE d.notification_id = $1 ORDER BY a.delivery_id, a.n`, notification)
	if err != nil {
		return fmt.Errorf("read attempts: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var of string
		var a Attempt
		var begun int64
		var ended, again sql.NullInt64
		if err := rows.Scan(&of, &a.N, &begun, &ended, &a.Method, &a.Outcome, &a.Error, &again); err != nil {
			return fmt.Errorf("read attempts: %w", err)
		}
		a.BegunAt, a.EndedAt, a.AgainAt = *moment(begun), nullMoment(ended), nullMoment(again)
		if d := at[of]; d != nil { // one that was added since is not in the list
			d.History = append(d.History, a)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read attempts: %w", err)
	}
	return nil
}
