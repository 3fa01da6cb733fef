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

// keySpent is: a key of our own has had its time. It is to be given free, and
// all of the transaction done again.
type keySpent struct{ id, key string }

// Error says it to nobody but the log, should it come up all the time.
func (keySpent) Error() string { return "insert notification: its key changes hands all the time" }

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
		return "", invalid(fieldError{Field: "key", Code: "malformed", Detail: "must match " + keyForm.String()})
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

// acceptance is a request on its way into the store, and what came of it.
type acceptance struct {
	request
	route      *route
	app        *app // whose lanes it goes to
	at         time.Time
	canonical  string
	hash       string
	fresh      string // its id, if it is a new notification
	deliveries []newDelivery

	id        string // the notification's
	duplicate bool
	err       error  // errKeyReused
	trace     string // traceparent of the request; empty: it is not traced
}

func (rt *route) acceptance(q request, now time.Time) (*acceptance, error) {
	canonical, hash, err := q.fingerprint()
	return &acceptance{request: q, route: rt, app: rt.app, at: now, canonical: string(canonical), hash: hash,
		fresh: "ntf_" + strings.ToLower(rand.Text()), deliveries: rt.deliveries(q, now)}, err
}

// follow takes the request to the lanes of the app that its route has now: it may
// have been another one's when the request came.
func (a *acceptance) follow(c *configured) {
	rt := c.routes[a.route.host]
	if rt == nil {
		return
	}
	for i := range a.deliveries {
		a.deliveries[i].place = rt.app.counterpart(a.deliveries[i].place, a.app.name)
	}
	a.app = rt.app
}

// key is the caller's, or else one of our own.
func (a *acceptance) key() string { return cmp.Or(a.Key, a.own.name) }

func (a *acceptance) isNew() bool { return !a.duplicate && a.err == nil }

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
// one's error and nobody else's; the error returned is the store's, and says
// that nothing was written.
//
// Of two callers with one key, the second waits for the first one's commit, on
// both engines, and finds a duplicate; nobody is told to come back.
func (r *Relay) acceptAll(ctx context.Context, rt *route, asked []request, now time.Time) ([]*acceptance, error) {
	list := make([]*acceptance, len(asked))
	for i, q := range asked {
		var err error
		if list[i], err = rt.acceptance(q, now); err != nil {
			return nil, err
		}
	}
	ctx, end := r.acceptSpan(ctx, rt, len(list))
	for _, a := range list {
		a.trace = traceOf(ctx)
	}
	err := r.intake.wait(ctx, list, r.keepAll)
	end(err)
	if err != nil {
		return nil, err
	}
	rt.noteAccepted(list)
	r.reached(atAccepted)
	if slices.ContainsFunc(list, (*acceptance).isNew) {
		r.queued(list[0].app)
	}
	return list, nil
}

// keepAll writes all of the list in one transaction. A key that has had its time
// is given free in one of its own, before: it is on the row of a notification
// that somebody may just be recording, who has locked a lane before that row.
// Freed for nothing, it does no harm.
func (r *Relay) keepAll(ctx context.Context, list []*acceptance) error {
	r.adoption.accepting.RLock()
	defer r.adoption.accepting.RUnlock()
	for _, a := range list {
		a.follow(r.conf.Load())
	}
	for range 2*len(list) + 2 { // others may take the key in between
		err := r.keepOnce(ctx, list)
		spent, ok := errors.AsType[keySpent](err)
		if !ok {
			return err
		}
		err = r.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `UPDATE notification SET idem_key = NULL WHERE id = $1 AND idem_key = $2`, spent.id, spent.key)
			return err
		})
		if err != nil {
			return fmt.Errorf("free key: %w", err)
		}
	}
	return keySpent{}
}

// keepOnce is one transaction for all of the list. Locks are taken in one order
// everywhere: keys, then lanes (see place), then notifications and deliveries
// that were there before. seq is given under the lanes' locks, so that it is the
// order of commits within a lane.
func (r *Relay) keepOnce(ctx context.Context, list []*acceptance) error {
	return r.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := r.insertNotifications(ctx, tx, list); err != nil {
			return err
		}
		var lanes []laneDue
		var rows [][]any
		for _, a := range list {
			if !a.isNew() {
				continue
			}
			for _, d := range a.deliveries {
				rows = append(rows, d.row(a))
				if !d.suppressed {
					lanes = append(lanes, laneDue{place: d.place, app: a.app, due: d.due})
				}
			}
		}
		if err := r.queueLanes(ctx, tx, lanes); err != nil {
			return err
		}
		err := r.insert(ctx, tx, `INSERT INTO delivery (id, notification_id, route, recipient, lane, state, last_error, own_ts, accepted_at, due_at, finished_at)`, rows, ``)
		if err != nil {
			return fmt.Errorf("insert delivery: %w", err)
		}
		return nil
	})
}

// insertNotifications writes those whose key is new, and finds for the others
// which notification has it: in the order of the keys, so that two transactions
// with the same ones do not wait for each other in a circle.
func (r *Relay) insertNotifications(ctx context.Context, tx *sql.Tx, list []*acceptance) error {
	inOrder := slices.SortedStableFunc(slices.Values(list), func(a, b *acceptance) int {
		return cmp.Or(cmp.Compare(a.route.host, b.route.host), cmp.Compare(a.key(), b.key()))
	})
	for some := range slices.Chunk(inOrder, r.rowsAtOnce()) {
		if err := insertNew(ctx, tx, some); err != nil {
			return err
		}
		for _, a := range some {
			if !a.duplicate {
				continue
			}
			if err := a.find(ctx, tx, list); err != nil { // perhaps keySpent
				return err
			}
		}
	}
	return nil
}

// insertNew inserts those whose key is new; the others are duplicates of
// something.
func insertNew(ctx context.Context, tx *sql.Tx, list []*acceptance) error {
	byID, all := map[string]*acceptance{}, [][]any(nil)
	for _, a := range list {
		a.id, a.duplicate, a.err = a.fresh, true, nil // the transaction may run again
		byID[a.id], all = a, append(all, a.row())
	}
	text, args := values(all)
	// #nosec G202 -- what is joined is placeholders and conditions of our own, never a value
	rows, err := tx.QueryContext(ctx, `INSERT INTO notification (id, route, idem_key, body_hash, request, type, status, credential, accepted_at, expires_at, finished_at, replay_of, trace)`+
		text+` ON CONFLICT (route, idem_key) DO NOTHING RETURNING id`, args...)
	if err != nil {
		return fmt.Errorf("insert notification: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return fmt.Errorf("insert notification: %w", err)
		}
		byID[id].duplicate = false
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("insert notification: %w", err)
	}
	return nil
}

// row is the notification as insertNew writes it.
func (a *acceptance) row() []any {
	status, finished := "queued", sql.NullInt64{}
	if !slices.ContainsFunc(a.deliveries, func(d newDelivery) bool { return !d.suppressed }) {
		status, finished = "suppressed", sql.NullInt64{Int64: a.at.UnixMilli(), Valid: true}
	}
	return []any{a.id, a.route.host, sql.NullString{String: a.key(), Valid: a.key() != ""}, a.hash, a.canonical, a.Type, status, a.Credential,
		a.at.UnixMilli(), a.ends(a.at).UnixMilli(), finished, sql.NullString{String: a.ReplayOf, Valid: a.ReplayOf != ""}, a.trace}
}

// find finds the notification that has the key. list is all that the transaction
// writes.
func (a *acceptance) find(ctx context.Context, tx *sql.Tx, list []*acceptance) error {
	const tries = 4 // others may give the key free, or take it, in between
	for range tries {
		if found, err := a.known(ctx, tx, list); err != nil || found {
			return err
		}
		if err := insertNew(ctx, tx, []*acceptance{a}); err != nil || !a.duplicate {
			return err
		}
	}
	return keySpent{}
}

// known takes the id from the notification that has the key. It reports false if
// there is none any more; if its own key has had its time, the error is keySpent.
// What is written in the same transaction has just begun its time.
func (a *acceptance) known(ctx context.Context, tx *sql.Tx, list []*acceptance) (bool, error) {
	var id, before string
	var accepted int64
	var finished sql.NullInt64
	err := tx.QueryRowContext(ctx, `SELECT id, body_hash, accepted_at, finished_at FROM notification WHERE route = $1 AND idem_key = $2`, a.route.host, a.key()).
		Scan(&id, &before, &accepted, &finished)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("find notification by key: %w", err)
	}
	isOver := a.own.window > 0 && a.at.Sub(time.UnixMilli(accepted)) >= a.own.window || a.own.window == 0 && finished.Valid
	if a.Key == "" && isOver && !slices.ContainsFunc(list, func(other *acceptance) bool { return other.fresh == id }) {
		return false, keySpent{id: id, key: a.key()}
	}
	a.id, a.duplicate = id, true
	if a.Key != "" && before != a.hash {
		a.duplicate, a.err = false, errKeyReused
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
			d.place = rt.scheduled(d.id)
		} else {
			d.place = rt.place(to)
		}
		list = append(list, d)
	}
	return list
}

// row is the delivery as keepAll writes it.
func (d newDelivery) row(a *acceptance) []any {
	state, reason, finished := "queued", "", sql.NullInt64{}
	if d.suppressed {
		state, reason, finished = "suppressed", "actor", sql.NullInt64{Int64: a.at.UnixMilli(), Valid: true}
	}
	return []any{d.id, a.id, a.route.host, d.to, d.place.lane, state, reason, d.ownTS, a.at.UnixMilli(), d.due.UnixMilli(), finished}
}
