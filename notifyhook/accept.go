package notifyhook

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// errKeyReused is: the key is known, with another content.
var errKeyReused = errors.New("key used before for another content")

// idempotencyKey chooses the key: the Idempotency-Key header
// (draft-ietf-httpapi-idempotency-key-header-07), else webhook-id, else the
// body's. They must agree: a signature covers webhook-id but not the header, so
// a replayed request must not get through under another key.
func idempotencyKey(h http.Header, inBody string) (string, *problem) {
	key := ""
	for _, one := range []string{strings.Trim(h.Get("Idempotency-Key"), `"`), h.Get("webhook-id"), inBody} {
		if one == "" || one == key {
			continue
		}
		if key != "" {
			return "", badBody("key_conflict", "Idempotency-Key, webhook-id and key differ")
		}
		key = one
	}
	if key != "" && !keyForm.MatchString(key) {
		return "", &problem{Status: http.StatusUnprocessableEntity, Code: "validation", Detail: "see errors for each field",
			Errors: []fieldError{{Field: "key", Code: "malformed", Detail: "must match " + keyForm.String()}}}
	}
	return key, nil
}

// acceptance is a request on its way into the store.
type acceptance struct {
	route      *route
	request    request
	at         time.Time
	canonical  string
	hash       string
	fresh      string // the id it gets if its key is new
	deliveries []newDelivery

	id        string // fresh, or that of the one accepted before
	duplicate bool
	err       error
	done      chan struct{} // closed when those three are final
}

// newDelivery is a delivery about to be written, with the lane it begins in.
type newDelivery struct {
	id, to     string
	place      place
	due        time.Time
	suppressed bool // to its actor: written down, and over
}

// accept writes the notification, its deliveries and their lanes in one
// transaction, or finds the one that was accepted before under the same key.
// The error is errKeyReused or the store's.
func (r *Relay) accept(ctx context.Context, rt *route, q request, now time.Time) (id string, duplicate bool, err error) {
	canonical, hash, err := q.fingerprint()
	if err != nil {
		return "", false, err
	}
	a := &acceptance{route: rt, request: q, at: now, canonical: string(canonical), hash: hash,
		fresh: "ntf_" + strings.ToLower(rand.Text()), deliveries: rt.deliveries(q, now), done: make(chan struct{})}
	if err := r.intake.wait(ctx, a, r.write); err != nil {
		return "", false, err
	}
	if !a.duplicate {
		r.nudge()
	}
	return a.id, a.duplicate, nil
}

// write is one transaction for all of the batch. Locks are taken in one order
// everywhere: keys, then lanes (see place). seq is given under the lanes' locks,
// so that it is the order of commits within a lane.
func (r *Relay) write(ctx context.Context, batch []*acceptance) error {
	return r.store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := r.insertNotifications(ctx, tx, batch); err != nil {
			return err
		}
		var lanes []queued
		var rows [][]any
		for _, a := range batch {
			if a.duplicate {
				if err := a.find(ctx, tx); err != nil {
					return err
				}
				continue
			}
			for _, d := range a.deliveries {
				rows = append(rows, d.row(a))
				if !d.suppressed {
					lanes = append(lanes, queued{place: d.place, app: a.route.app, due: d.due})
				}
			}
		}
		if err := r.queue(ctx, tx, lanes); err != nil {
			return err
		}
		if err := r.insert(ctx, tx, `INSERT INTO delivery (id, notification_id, route, recipient, lane, state, last_error, accepted_at, due_at, finished_at)`, rows, ``); err != nil {
			return fmt.Errorf("insert delivery: %w", err)
		}
		return nil
	})
}

// insertNotifications writes those whose key is new and tells the others that
// they are duplicates.
func (r *Relay) insertNotifications(ctx context.Context, tx *sql.Tx, batch []*acceptance) error {
	inOrder := slices.SortedStableFunc(slices.Values(batch), func(a, b *acceptance) int {
		return cmp.Or(cmp.Compare(a.route.host, b.route.host), cmp.Compare(a.request.Key, b.request.Key))
	})
	byID, rows := map[string]*acceptance{}, [][]any(nil)
	for _, a := range inOrder {
		a.id, a.duplicate, a.err = a.fresh, true, nil // the function may run again
		byID[a.id], rows = a, append(rows, a.row())
	}
	for some := range slices.Chunk(rows, r.rowsAtOnce()) {
		written, err := insertNew(ctx, tx, some)
		if err != nil {
			return fmt.Errorf("insert notification: %w", err)
		}
		for _, id := range written {
			byID[id].duplicate = false
		}
	}
	return nil
}

// insertNew inserts those whose key is new, and returns their ids.
func insertNew(ctx context.Context, tx *sql.Tx, notifications [][]any) (ids []string, err error) {
	text, args := values(notifications)
	rows, err := tx.QueryContext(ctx, `INSERT INTO notification (id, route, idem_key, body_hash, request, type, status, accepted_at, expires_at, finished_at)`+
		text+` ON CONFLICT (route, idem_key) DO NOTHING RETURNING id`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// row is the notification as insertNotifications writes it.
func (a *acceptance) row() []any {
	status, finished := "queued", sql.NullInt64{}
	if !slices.ContainsFunc(a.deliveries, func(d newDelivery) bool { return !d.suppressed }) {
		status, finished = "suppressed", sql.NullInt64{Int64: a.at.UnixMilli(), Valid: true}
	}
	q := a.request
	return []any{a.id, a.route.host, sql.NullString{String: q.Key, Valid: q.Key != ""}, a.hash, a.canonical, q.Type, status, a.at.UnixMilli(), q.ends(a.at).UnixMilli(), finished}
}

// find takes the id from the notification accepted under the same key before.
// That it had other content is this acceptance's error, not the batch's.
func (a *acceptance) find(ctx context.Context, tx *sql.Tx) (err error) {
	a.id, err = known(ctx, tx, a.route.host, a.request.Key, a.hash)
	if errors.Is(err, errKeyReused) {
		a.err = err
		return nil
	}
	return err
}

// known returns the id accepted under the key before.
func known(ctx context.Context, tx *sql.Tx, host, key, hash string) (id string, err error) {
	var before string
	err = tx.QueryRowContext(ctx, `SELECT id, body_hash FROM notification WHERE route = $1 AND idem_key = $2`, host, key).Scan(&id, &before)
	if err != nil {
		return "", fmt.Errorf("find notification by key: %w", err)
	}
	if before != hash {
		return "", errKeyReused
	}
	return id, nil
}

// deliveries returns one delivery per recipient.
func (rt *route) deliveries(q request, now time.Time) []newDelivery {
	var list []newDelivery
	due := q.begins(now)
	for _, to := range q.To {
		d := newDelivery{id: "dlv_" + strings.ToLower(rand.Text()), to: to, due: due, suppressed: q.suppresses(to)}
		if due.After(now) {
			d.place = rt.waiting(d.id)
		} else {
			d.place = rt.place(to)
		}
		list = append(list, d)
	}
	return list
}

// row is the delivery as write writes it.
func (d newDelivery) row(a *acceptance) []any {
	state, reason, finished := "queued", "", sql.NullInt64{}
	if d.suppressed {
		state, reason, finished = "suppressed", "actor", sql.NullInt64{Int64: a.at.UnixMilli(), Valid: true}
	}
	return []any{d.id, a.id, a.route.host, d.to, d.place.lane, state, reason, a.at.UnixMilli(), d.due.UnixMilli(), finished}
}

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

// waiting returns a lane for a single delivery whose time has not come. It is
// resolved, and joins the conversation's lane, when it has.
func (rt *route) waiting(delivery string) place { return place{lane: rt.app.name + "@" + delivery} }

func (p place) compare(other place) int {
	if a, b := p.conversation != "", other.conversation != ""; a != b {
		if a {
			return 1
		}
		return -1
	}
	return cmp.Compare(p.lane, other.lane)
}

// queued is a lane that a delivery joins, and when that is due.
type queued struct {
	place
	app *app
	due time.Time
}

// queue makes sure that the lanes are there, are due no later than their own
// not_before allows, and are locked until the transaction ends.
func (r *Relay) queue(ctx context.Context, tx *sql.Tx, lanes []queued) error {
	slices.SortFunc(lanes, func(a, b queued) int { return cmp.Or(a.place.compare(b.place), a.due.Compare(b.due)) })
	lanes = slices.CompactFunc(lanes, func(a, b queued) bool { return a.lane == b.lane }) // the first due stays
	rows := make([][]any, len(lanes))
	for i, l := range lanes {
		rows[i] = []any{l.lane, l.app.name, sql.NullString{String: l.conversation, Valid: l.conversation != ""}, l.due.UnixMilli()}
	}
	err := r.insert(ctx, tx, `INSERT INTO lane (lane, app, conversation, due_at)`, rows, ` ON CONFLICT (lane) DO UPDATE SET due_at = CASE
			WHEN lane.due_at IS NOT NULL THEN lane.due_at
			WHEN lane.not_before > excluded.due_at THEN lane.not_before
			ELSE excluded.due_at END`)
	if err != nil {
		return fmt.Errorf("queue lane: %w", err)
	}
	return nil
}
