package notifyhook

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// ErrNothingToReplay is: no recipient of the notification is without its
// message, or all of it is still open.
var ErrNothingToReplay = errors.New("nothing to replay")

const byOperator = "operator:replay" // the credential of a replay that no caller of the webhook asked for

// Replay sends what failed of a notification once more, or with all to each of
// its recipients, and returns the id of the new notification that does. It goes
// to the ends of the lanes, and its time to expire counts anew; the old one
// stays as it is. While such a replay is under way, asking again returns its id.
// An empty route means whichever has the notification. The error is
// [ErrNotFound], [ErrNothingToReplay] or the store's.
//
// Whoever could not be found is looked for anew, since that is what was mended, by
// whichever replica sends it.
func (r *Relay) Replay(ctx context.Context, route, id string, all bool) (newID string, err error) {
	rt, q, err := r.repeat(ctx, route, id, all)
	if err != nil {
		return "", err
	}
	now, err := r.clock(ctx)
	if err != nil {
		return "", err
	}
	q.Credential = byOperator
	newID, _, err = r.accept(ctx, rt, q, now)
	return newID, err
}

// lookAnew forgets that the recipient of an operator's replay could not be found,
// if that was found out before it was asked for: once for however many replays.
func (r *Relay) lookAnew(c *claim) {
	if c.credential != byOperator {
		return
	}
	asked := r.now().Add(-c.at.Sub(c.due)) // by this process's clock: the store may have another
	forget := func(key string, lasts time.Duration) {
		if one, ok := r.recall(key); ok && one.gone != "" && !one.until.After(asked.Add(lasts)) {
			r.cache.Remove(key)
		}
	}
	switch kind, same := classify(c.to); kind {
	case emailRecipient:
		if user, ok := r.recall(c.route.app.userKey(same)); ok && user.gone == "" {
			forget(c.route.app.directKey(user.value), goneFor)
		}
		forget(c.route.app.userKey(same), goneFor)
	case userID:
		forget(c.route.app.directKey(same), goneFor)
	case channelName:
		forget(c.route.app.channelKey(same), noChannelFor)
	}
}

// replay is Replay for a caller of the webhook.
func (e endpoint) replay(v visit) *problem {
	ctx, cancel := context.WithTimeout(v.r.Context(), storeTimeout)
	defer cancel()
	id, p := v.id()
	if p != nil {
		return p
	}
	all, p := wantsAll(v)
	if p != nil {
		return p
	}
	_, q, err := e.relay.repeat(ctx, e.route.host, id, all)
	if errors.Is(err, ErrNothingToReplay) {
		return &problem{Status: http.StatusConflict, Code: "nothing_to_replay", Detail: "no delivery of this notification has failed; all=1 repeats it to every recipient"}
	}
	if err != nil {
		return e.missing(v.r, err)
	}
	q.Credential = v.who.credential()
	if p := e.relay.room(ctx, e.route, q); p != nil {
		return p
	}
	now, err := e.relay.arrival(ctx)
	if err != nil {
		return e.fault(v.r, err)
	}
	newID, duplicate, p := e.accept(ctx, v.r, q, now)
	if p != nil {
		return p
	}
	n := q.asAccepted(newID, now)
	n.ReplayOf = id
	return e.accepted(ctx, v, n, duplicate, nil)
}

// wantsAll reads ?all=1, {"all": true} or the form's all=1; nothing at all is
// no.
func wantsAll(v visit) (bool, *problem) {
	all, p := flag(v.r, "all")
	if p != nil || len(bytes.TrimSpace(v.body)) == 0 {
		return all, p
	}
	f, warnings, p := readFields(v.r.Header.Get("Content-Type"), v.body)
	if p != nil {
		return false, p
	}
	d := decoder{fields: f, warnings: warnings}
	all = d.boolean("all") || all
	if d.rest(isStrict(v.r.Header)); len(d.errors) > 0 {
		return false, invalid(d.errors...)
	}
	return all, nil
}

// repeat makes the request that repeats what failed of a notification, or all.
// Its key of our own makes an impatient second replay the same as the first.
func (r *Relay) repeat(ctx context.Context, host, id string, all bool) (*route, request, error) {
	var q request
	var owner, asked string
	err := r.store.Read().QueryRowContext(ctx, `SELECT route, request FROM notification WHERE id = $1`, id).Scan(&owner, &asked)
	if errors.Is(err, sql.ErrNoRows) || err == nil && host != "" && host != owner {
		return nil, q, ErrNotFound
	}
	if err != nil {
		return nil, q, fmt.Errorf("read notification: %w", err)
	}
	rt := r.routes()[owner]
	if rt == nil {
		return nil, q, fmt.Errorf("%w: its route %s has no notifications any more", ErrNotFound, owner)
	}
	if err := json.Unmarshal([]byte(asked), &q); err != nil {
		return nil, q, fmt.Errorf("read request of notification: %w", err)
	}
	q.SendAt, q.ReplayOf, q.own.name = 0, id, ownMark+"replay:"+id
	if all {
		if len(q.To) == 0 { // what was erased has nobody left
			return nil, q, ErrNothingToReplay
		}
		q.own.name = ownMark + "replay-all:" + id
		return rt, q, nil
	}
	failed, err := r.failed(ctx, id)
	if err != nil {
		return nil, q, err
	}
	q.To = slices.DeleteFunc(q.To, func(to string) bool { return !slices.Contains(failed, to) })
	if len(q.To) == 0 {
		return nil, q, ErrNothingToReplay
	}
	return rt, q, nil
}

// failed returns the recipients asked for who got no message, neither themselves
// nor by a fallback.
func (r *Relay) failed(ctx context.Context, id string) ([]string, error) {
	rows, err := r.store.Read().QueryContext(ctx, `SELECT id, recipient, state, COALESCE(instead_of, '') FROM delivery WHERE notification_id = $1`, id)
	if err != nil {
		return nil, fmt.Errorf("find failed deliveries: %w", err)
	}
	defer rows.Close()
	type part struct{ id, to, state string }
	var asked []part
	fallback := map[string]part{} // by the delivery that it stands in for
	for rows.Next() {
		var one part
		var insteadOf string
		if err := rows.Scan(&one.id, &one.to, &one.state, &insteadOf); err != nil {
			return nil, fmt.Errorf("find failed deliveries: %w", err)
		}
		if insteadOf == "" {
			asked = append(asked, one)
		} else {
			fallback[insteadOf] = one
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("find failed deliveries: %w", err)
	}
	var failed []string
	for _, one := range asked {
		last := one
		for next, ok := fallback[last.id]; ok; next, ok = fallback[last.id] {
			last = next
		}
		if last.state == "dead" {
			failed = append(failed, one.to)
		}
	}
	return failed, nil
}
