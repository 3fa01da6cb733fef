package notifyhook

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// ErrNotFound is: the route has no such notification, or not any more.
var ErrNotFound = errors.New("no such notification")

// Notification is what an application asked for, and what became of it. The
// text is not in it: whoever may read a state need not read the message.
type Notification struct {
	ID         string          `json:"id"`
	Route      string          `json:"route"` // host
	Key        string          `json:"key,omitempty"`
	Type       string          `json:"type,omitempty"`
	Status     string          `json:"status"`               // scheduled | queued | sent | partial | failed | cancelled | suppressed
	Credential string          `json:"credential,omitempty"` // by which it came: KIND:ID
	ReplayOf   string          `json:"replay_of,omitempty"`  // id of the notification that this one repeats
	AcceptedAt time.Time       `json:"accepted_at"`
	SendAt     *time.Time      `json:"send_at,omitempty"`
	ExpiresAt  time.Time       `json:"expires_at"`
	FinishedAt *time.Time      `json:"finished_at,omitempty"`
	Meta       json.RawMessage `json:"meta,omitempty"`
	Recipients []Delivery      `json:"recipients"`
}

// Delivery is one recipient's part of a notification.
type Delivery struct {
	To                string     `json:"to"`
	State             string     `json:"state"` // queued | sending | sent | dead | cancelled | suppressed
	Attempts          int        `json:"attempts"`
	PossibleDuplicate bool       `json:"possible_duplicate,omitempty"`
	Error             string     `json:"error,omitempty"` // Slack's error name, or a constant word of ours
	Channel           string     `json:"channel,omitempty"`
	TS                string     `json:"ts,omitempty"`
	NextAt            *time.Time `json:"next_at,omitempty"` // earliest next try of its lane
	FinishedAt        *time.Time `json:"finished_at,omitempty"`
	History           []Attempt  `json:"history"`
}

// Attempt is one call to Slack.
type Attempt struct {
	N       int        `json:"n"` // from 1
	BegunAt time.Time  `json:"begun_at"`
	EndedAt *time.Time `json:"ended_at,omitempty"`
	Outcome string     `json:"outcome,omitempty"` // a word of ours; empty: under way, or never told
	Error   string     `json:"error,omitempty"`   // Slack's error name, or a constant word of ours
}

// asAccepted is a notification as it is shown right after it was accepted. It
// is made without a look at the store, which may fail after the commit.
func (q request) asAccepted(id string, now time.Time) Notification {
	v := Notification{ID: id, Key: q.Key}
	begins := q.begins(now)
	if begins.After(now) {
		v.SendAt = &begins
	}
	for _, to := range q.To {
		d := Delivery{To: to, State: "queued", NextAt: &begins}
		if q.suppresses(to) {
			d.State = "suppressed"
		}
		v.Recipients = append(v.Recipients, d)
	}
	v.Status = status(v)
	return v
}

// show reads one notification of a route.
func (r *Relay) show(ctx context.Context, host, id string) (Notification, error) {
	v := Notification{ID: id, Route: host}
	var key, replayOf sql.NullString
	var asked string
	var accepted, expires int64
	var finished sql.NullInt64
	err := r.store.Read().QueryRowContext(ctx, `SELECT idem_key, type, request, credential, replay_of, accepted_at, expires_at, finished_at
		FROM notification WHERE id = $1 AND route = $2`, id, host).Scan(&key, &v.Type, &asked, &v.Credential, &replayOf, &accepted, &expires, &finished)
	if errors.Is(err, sql.ErrNoRows) {
		return v, ErrNotFound
	}
	if err != nil {
		return v, fmt.Errorf("read notification: %w", err)
	}
	var q request
	readable := json.Unmarshal([]byte(asked), &q) == nil
	v.Key, v.ReplayOf, v.Meta = key.String, replayOf.String, q.Meta
	v.AcceptedAt, v.ExpiresAt, v.FinishedAt = *moment(accepted), *moment(expires), nullMoment(finished)
	if q.SendAt > accepted {
		v.SendAt = moment(q.SendAt)
	}
	byRecipient, err := r.showDeliveries(ctx, id)
	if err != nil {
		return v, err
	}
	if !readable {
		q.To = slices.Sorted(maps.Keys(byRecipient))
	}
	for _, to := range q.To { // in the order asked
		v.Recipients = append(v.Recipients, byRecipient[to])
	}
	v.Status = status(v)
	return v, nil
}

func (r *Relay) showDeliveries(ctx context.Context, notification string) (map[string]Delivery, error) {
	rows, err := r.store.Read().QueryContext(ctx, `SELECT d.id, d.recipient, d.state, d.attempts, d.possible_duplicate, d.last_error, d.slack_channel, d.slack_ts,
			d.finished_at, l.not_before, l.due_at, a.n, a.begun_at, a.ended_at, a.outcome, a.error
		FROM delivery d LEFT JOIN lane l ON l.lane = d.lane LEFT JOIN attempt a ON a.delivery_id = d.id
		WHERE d.notification_id = $1 ORDER BY d.seq, a.n`, notification)
	if err != nil {
		return nil, fmt.Errorf("read deliveries: %w", err)
	}
	defer rows.Close()
	byRecipient := map[string]Delivery{}
	for rows.Next() {
		var id string
		var d Delivery
		var finished, notBefore, due, n, begun, end sql.NullInt64
		var outcome, reason sql.NullString
		if err := rows.Scan(&id, &d.To, &d.State, &d.Attempts, &d.PossibleDuplicate, &d.Error, &d.Channel, &d.TS,
			&finished, &notBefore, &due, &n, &begun, &end, &outcome, &reason); err != nil {
			return nil, fmt.Errorf("read deliveries: %w", err)
		}
		d.FinishedAt, d.History = nullMoment(finished), append([]Attempt{}, byRecipient[d.To].History...)
		if d.State == "queued" && due.Valid {
			d.NextAt = moment(max(due.Int64, notBefore.Int64))
		}
		if n.Valid {
			d.History = append(d.History, Attempt{N: int(n.Int64), BegunAt: *moment(begun.Int64), EndedAt: nullMoment(end), Outcome: outcome.String, Error: reason.String})
		}
		byRecipient[d.To] = d
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read deliveries: %w", err)
	}
	return byRecipient, nil
}

// status sums the deliveries up in one word.
func status(v Notification) string {
	count := map[string]int{}
	for _, d := range v.Recipients {
		count[d.State]++
	}
	switch {
	case scheduled(v):
		return "scheduled"
	case count["queued"]+count["sending"] > 0:
		return "queued"
	case count["sent"] > 0 && count["dead"] > 0:
		return "partial"
	case count["sent"] > 0:
		return "sent"
	case count["dead"] > 0:
		return "failed"
	case count["cancelled"] > 0:
		return "cancelled"
	}
	return "suppressed"
}

// scheduled says that all of it still waits for its send_at.
func scheduled(v Notification) bool {
	if v.SendAt == nil {
		return false
	}
	open := 0
	for _, d := range v.Recipients {
		if d.State == "suppressed" {
			continue
		}
		if d.State != "queued" || len(d.History) > 0 || d.NextAt == nil || d.NextAt.Before(*v.SendAt) {
			return false
		}
		open++
	}
	return open > 0
}

func moment(ms int64) *time.Time { return new(time.UnixMilli(ms).UTC()) }

func nullMoment(ms sql.NullInt64) *time.Time {
	if !ms.Valid {
		return nil
	}
	return moment(ms.Int64)
}
