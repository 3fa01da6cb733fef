package notifyhook

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"maps"
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

// ownKey is a key of our own for a request that its caller gave none, so that
// the same thing asked twice is one notification all the same.
type ownKey struct {
	name   string        // begins with ownMark, as no caller's key can; empty: none
	window time.Duration // how long it stands for the notification; 0: until that is finished
}

const ownMark = "~"

// callersKey is a stored key if it is the caller's, else empty.
func callersKey(key sql.NullString) string {
	if strings.HasPrefix(key.String, ownMark) {
		return ""
	}
	return key.String
}

// newDelivery is a delivery about to be written, with the lane it begins in.
type newDelivery struct {
	id, to     string
	ownTS      string
	place      place
	due        time.Time
	suppressed bool // to its actor: written down, and over
}

// entry is a request about to be written, and what came of it.
type entry struct {
	request
	fresh      string // its id, if it is a new notification
	canonical  []byte
	hash       string
	deliveries []newDelivery

	id        string // the notification's
	duplicate bool
	err       error // errKeyReused
}

// accept writes the notification, its deliveries and their lanes in one
// transaction, or finds the one that was accepted before under the same key.
// The error is errKeyReused or the store's.
func (r *Relay) accept(ctx context.Context, rt *route, q request, now time.Time) (id string, duplicate bool, err error) {
	list, err := r.acceptAll(ctx, rt, []request{q}, now)
	if err != nil {
		return "", false, err
	}
	return list[0].id, list[0].duplicate, list[0].err
}

// acceptAll is accept for several requests in one transaction: all that are
// accepted are with its end. A key that was used for another content is that
// entry's error and nobody else's; the error returned is the store's, and says
// that nothing was written.
//
// Of two callers with one key, the second waits for the first one's commit, on
// both engines, and finds a duplicate; nobody is told to come back.
func (r *Relay) acceptAll(ctx context.Context, rt *route, asked []request, now time.Time) ([]entry, error) {
	list, order := make([]entry, len(asked)), make([]int, len(asked))
	for i, q := range asked {
		order[i] = i
		var err error
		list[i] = entry{request: q, fresh: "ntf_" + strings.ToLower(rand.Text()), deliveries: rt.deliveries(q, now)}
		if list[i].canonical, list[i].hash, err = q.fingerprint(); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(list[a].key(), list[b].key()) })
	err := r.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		// In the order of the keys, so that two batches with the same ones do not
		// wait for each other in a circle.
		for _, i := range order {
			if err := list[i].insert(ctx, tx, rt, now); err != nil {
				return err
			}
		}
		var added []newDelivery
		for _, e := range list {
			if e.isNew() {
				added = append(added, e.deliveries...)
			}
		}
		if err := rt.queueLanes(ctx, tx, added); err != nil {
			return err
		}
		for _, e := range list {
			if !e.isNew() {
				continue
			}
			for _, d := range e.deliveries {
				if err := d.insert(ctx, tx, rt, e.id, now); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	r.reached(atAccepted)
	if slices.ContainsFunc(list, entry.isNew) {
		r.queued(rt.app)
	}
	return list, nil
}

// key is the caller's, or else one of our own.
func (e entry) key() string { return cmp.Or(e.Key, e.own.name) }

func (e entry) isNew() bool { return !e.duplicate && e.err == nil }

// insert writes the notification's row, or finds the one that has its key.
func (e *entry) insert(ctx context.Context, tx *sql.Tx, rt *route, now time.Time) error {
	e.id, e.duplicate, e.err = e.fresh, false, nil // the transaction may run again
	key := e.key()
	status, finished := "queued", sql.NullInt64{}
	if !slices.ContainsFunc(e.deliveries, func(d newDelivery) bool { return !d.suppressed }) {
		status, finished = "suppressed", sql.NullInt64{Int64: now.UnixMilli(), Valid: true}
	}
	const tries = 4 // others may give the key free, or take it, in between
	for range tries {
		result, err := tx.ExecContext(ctx, `INSERT INTO notification (id, route, idem_key, body_hash, request, type, status, credential, accepted_at, expires_at, finished_at, replay_of)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (route, idem_key) DO NOTHING`,
			e.id, rt.host, sql.NullString{String: key, Valid: key != ""}, e.hash, string(e.canonical), e.Type, status, e.Credential,
			now.UnixMilli(), e.ends(now).UnixMilli(), finished, sql.NullString{String: e.ReplayOf, Valid: e.ReplayOf != ""})
		if err != nil {
			return fmt.Errorf("insert notification: %w", err)
		}
		if n, err := result.RowsAffected(); err != nil {
			return fmt.Errorf("insert notification: %w", err)
		} else if n > 0 {
			return nil
		}
		if found, err := e.known(ctx, tx, rt, key, now); err != nil || found {
			return err
		}
	}
	return errors.New("insert notification: its key changes hands all the time")
}

// known finds the notification that has the key. It reports false if there is
// none any more: one whose own key has had its time gives it free.
func (e *entry) known(ctx context.Context, tx *sql.Tx, rt *route, key string, now time.Time) (bool, error) {
	var id, before string
	var accepted int64
	var finished sql.NullInt64
	err := tx.QueryRowContext(ctx, `SELECT id, body_hash, accepted_at, finished_at FROM notification WHERE route = $1 AND idem_key = $2`, rt.host, key).
		Scan(&id, &before, &accepted, &finished)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("find notification by key: %w", err)
	}
	if e.Key == "" && (e.own.window > 0 && now.Sub(time.UnixMilli(accepted)) >= e.own.window || e.own.window == 0 && finished.Valid) {
		// Who does the same at this moment finds no row with the key after our
		// commit, and then the one we are about to insert.
		if _, err := tx.ExecContext(ctx, `UPDATE notification SET idem_key = NULL WHERE id = $1 AND idem_key = $2`, id, key); err != nil {
			return false, fmt.Errorf("free key: %w", err)
		}
		return false, nil
	}
	e.id, e.duplicate = id, true
	if e.Key != "" && before != e.hash {
		e.duplicate, e.err = false, errKeyReused
	}
	return true, nil
}

// deliveries returns one delivery per recipient.
func (rt *route) deliveries(q request, now time.Time) []newDelivery {
	var list []newDelivery
	due := q.begins(now)
	for _, to := range q.To {
		d := newDelivery{id: "dlv_" + strings.ToLower(rand.Text()), to: to, ownTS: q.OwnTS, due: due, suppressed: q.suppresses(to)}
		if due.After(now) {
			d.place = rt.waiting(d.id)
		} else {
			d.place = rt.place(to)
		}
		list = append(list, d)
	}
	return list
}

// queueLanes locks the lanes of deliveries before any of these is written: from
// then on until the commit nobody else adds to them, so that seq is the order of
// commits within a lane.
func (rt *route) queueLanes(ctx context.Context, tx *sql.Tx, list []newDelivery) error {
	due := map[place]time.Time{} // of a lane that is named twice both are due now: later ones have a lane of their own
	for _, d := range list {
		if !d.suppressed {
			due[d.place] = d.due
		}
	}
	for _, p := range slices.SortedFunc(maps.Keys(due), place.compare) {
		if err := p.queue(ctx, tx, rt.app, due[p]); err != nil {
			return err
		}
	}
	return nil
}

func (d newDelivery) insert(ctx context.Context, tx *sql.Tx, rt *route, notification string, now time.Time) error {
	state, reason, finished := "queued", "", sql.NullInt64{}
	if d.suppressed {
		state, reason, finished = "suppressed", "actor", sql.NullInt64{Int64: now.UnixMilli(), Valid: true}
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO delivery (id, notification_id, route, recipient, lane, state, last_error, own_ts, accepted_at, due_at, finished_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		d.id, notification, rt.host, d.to, d.place.lane, state, reason, d.ownTS, now.UnixMilli(), d.due.UnixMilli(), finished)
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
