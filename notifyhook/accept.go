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
	fresh := "ntf_" + strings.ToLower(rand.Text())
	list := rt.deliveries(q, now)
	err = r.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		id, duplicate = fresh, false // the function may run again
		status, finished := "queued", sql.NullInt64{}
		if !slices.ContainsFunc(list, func(d newDelivery) bool { return !d.suppressed }) {
			status, finished = "suppressed", sql.NullInt64{Int64: now.UnixMilli(), Valid: true}
		}
		result, err := tx.ExecContext(ctx, `INSERT INTO notification (id, route, idem_key, body_hash, request, type, status, accepted_at, expires_at, finished_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (route, idem_key) DO NOTHING`,
			id, rt.host, sql.NullString{String: q.Key, Valid: q.Key != ""}, hash, string(canonical), q.Type, status, now.UnixMilli(), q.ends(now).UnixMilli(), finished)
		if err != nil {
			return fmt.Errorf("insert notification: %w", err)
		}
		if n, err := result.RowsAffected(); err != nil {
			return fmt.Errorf("insert notification: %w", err)
		} else if n == 0 {
			duplicate = true
			id, err = known(ctx, tx, rt.host, q.Key, hash)
			return err
		}
		for _, d := range list {
			if err := d.insert(ctx, tx, rt, id, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return "", false, err
	}
	if !duplicate {
		r.queued(rt.app)
	}
	return id, duplicate, nil
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

// deliveries returns one delivery per recipient, in the order in which lanes are
// locked everywhere (see place).
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
	slices.SortFunc(list, func(a, b newDelivery) int { return a.place.compare(b.place) })
	return list
}

// insert locks the lane first: from then on until the commit nobody else adds
// to it, so that seq is the order of commits within a lane.
func (d newDelivery) insert(ctx context.Context, tx *sql.Tx, rt *route, notification string, now time.Time) error {
	state, reason, finished := "suppressed", "actor", sql.NullInt64{Int64: now.UnixMilli(), Valid: true}
	if !d.suppressed {
		state, reason, finished = "queued", "", sql.NullInt64{}
		if err := d.place.queue(ctx, tx, rt.app, d.due); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO delivery (id, notification_id, route, recipient, lane, state, last_error, accepted_at, due_at, finished_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		d.id, notification, rt.host, d.to, d.place.lane, state, reason, now.UnixMilli(), d.due.UnixMilli(), finished)
	if err != nil {
		return fmt.Errorf("insert delivery: %w", err)
	}
	return nil
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

// queue makes sure that the lane is there, is due no later than its own
// not_before allows, and is locked until the transaction ends.
func (p place) queue(ctx context.Context, tx *sql.Tx, a *app, due time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO lane (lane, app, conversation, due_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (lane) DO UPDATE SET due_at = CASE
			WHEN lane.due_at IS NOT NULL THEN lane.due_at
			WHEN lane.not_before > excluded.due_at THEN lane.not_before
			ELSE excluded.due_at END`,
		p.lane, a.name, sql.NullString{String: p.conversation, Valid: p.conversation != ""}, due.UnixMilli())
	if err != nil {
		return fmt.Errorf("queue lane: %w", err)
	}
	return nil
}
