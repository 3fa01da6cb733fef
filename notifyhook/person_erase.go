package notifyhook

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// eraseAtOnce is how many notifications are changed in one transaction.
const eraseAtOnce = 50

// Erased is how much of a person was erased.
type Erased struct {
	Notifications int `json:"notifications"` // to them alone: removed, with their texts
	Changed       int `json:"changed"`       // of others too, or that named them: without their name
	Deliveries    int `json:"deliveries"`    // to them: removed
	Cancelled     int `json:"cancelled"`     // of those, not sent yet
	Sending       int `json:"sending"`       // of those, with Slack at that very moment
	Threads       int `json:"threads"`
}

// ErasePerson removes what is kept of a person on a route. What waits for them
// is not sent any more. A notification to them alone goes, with its text; one to
// others too stays theirs, without this recipient; where the person is the actor,
// or stands among fallbacks, the name goes. What others were told stays as it
// was told. A second time finds nothing, also after a first one that failed in
// the middle. names are as for ExportPerson.
func (r *Relay) ErasePerson(ctx context.Context, host string, names []string) (Erased, error) {
	var done Erased
	who, err := r.someone(ctx, host, names)
	if err != nil || len(who.names) == 0 {
		return done, err
	}
	for from, last := int64(0), false; !last; {
		rows, err := r.scan(ctx, who, from)
		if err != nil {
			return done, err
		}
		if last = len(rows) < scanAtOnce; len(rows) > 0 {
			from = rows[len(rows)-1].seq
		}
		rows = slices.DeleteFunc(rows, func(row scanned) bool { return !row.toThem && !who.mayBeIn(row.request) })
		for some := range slices.Chunk(rows, eraseAtOnce) {
			if err := r.eraseFrom(ctx, who, some, &done); err != nil {
				return done, fmt.Errorf("erase person: %w", err)
			}
		}
	}
	if err := r.eraseConversations(ctx, who, &done); err != nil {
		return done, fmt.Errorf("erase person: %w", err)
	}
	if rt := r.routes()[host]; rt != nil {
		for _, name := range who.names {
			r.forget(rt, name)
		}
	}
	r.nudge() // others' deliveries may be next
	return done, nil
}

// eraseFrom takes the person out of some notifications, in one transaction.
func (r *Relay) eraseFrom(ctx context.Context, who someone, some []scanned, sum *Erased) error {
	now, err := r.clock(ctx)
	if err != nil {
		return err
	}
	var done Erased
	err = r.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		x := personErasure{tx: tx, who: who, done: *sum}
		lanes, err := x.lockLanes(ctx, some)
		if err != nil {
			return err
		}
		for _, row := range some {
			open, err := x.from(ctx, row.id, r.forUpdate())
			if err != nil {
				return err
			}
			if open { // perhaps what was removed was the last that it waited for
				if err := r.finish(ctx, tx, row.id, now); err != nil {
					return err
				}
			}
		}
		for _, lane := range lanes {
			if err := (claim{place: place{lane: lane}, app: &app{}, at: now}).release(ctx, tx); err != nil {
				return err
			}
			if err := x.dropLane(ctx, lane); err != nil {
				return err
			}
		}
		done = x.done
		return nil
	})
	if err == nil {
		*sum = done
	}
	return err
}

// personErasure is one transaction of it.
type personErasure struct {
	tx   *sql.Tx
	who  someone
	done Erased
}

// lockLanes locks the lanes in which the person's open deliveries stand, in the
// order of locking (see place), and takes them from whoever works on one: their
// fence then keeps them from writing about what is not there any more. It gives
// those that were taken or had no holder.
func (x personErasure) lockLanes(ctx context.Context, some []scanned) ([]string, error) {
	of, args := x.who.of()
	ids := make([]string, len(some))
	for i, row := range some {
		ids[i] = row.id
	}
	these := addAll(&args, ids)
	// #nosec G202 -- what is joined is placeholders and conditions of our own, never a value
	rows, err := x.tx.QueryContext(ctx, `SELECT d.lane, l.conversation, MAX(CASE d.state WHEN 'sending' THEN 1 ELSE 0 END)
		FROM delivery d JOIN lane l ON l.lane = d.lane
		WHERE `+of+` AND d.state IN ('queued', 'sending') AND d.notification_id IN (`+these+`) GROUP BY d.lane, l.conversation`, args...)
	if err != nil {
		return nil, fmt.Errorf("find lanes: %w", err)
	}
	defer rows.Close()
	sending := map[string]bool{}
	var places []place
	for rows.Next() {
		var p place
		var conversation sql.NullString
		var busy bool
		if err := rows.Scan(&p.lane, &conversation, &busy); err != nil {
			return nil, fmt.Errorf("find lanes: %w", err)
		}
		p.conversation, sending[p.lane] = conversation.String, busy
		places = append(places, p)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("find lanes: %w", err)
	}
	slices.SortFunc(places, place.compare)
	var free []string
	for _, p := range places {
		// A look-up may be made again; of a conversation's calls, only the one for this person is given up.
		var holder sql.NullString
		err := x.tx.QueryRowContext(ctx, `UPDATE lane SET lane = lane WHERE lane = $1 RETURNING lease_owner`, p.lane).Scan(&holder)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("lock lane: %w", err)
		}
		if !holder.Valid || p.conversation == "" || sending[p.lane] {
			free = append(free, p.lane)
		}
	}
	return free, nil
}

// from takes the person out of one notification. It reports whether that is
// there still and not finished.
func (x *personErasure) from(ctx context.Context, id, lock string) (open bool, err error) {
	var request string
	var finished sql.NullInt64
	err = x.tx.QueryRowContext(ctx, `SELECT request, finished_at FROM notification WHERE id = $1 `+lock, id).Scan(&request, &finished)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read notification: %w", err)
	}
	removed, err := x.deliveries(ctx, id)
	if err != nil {
		return false, err
	}
	fields, less, err := keep(request, func(name string) bool { return !x.who.is(name) })
	if err != nil { // nobody can read it, so nobody gets it, whoever stands in it
		fields, less = map[string]json.RawMessage{"to": quote([]string{})}, true
	}
	var left int
	if err := x.tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM delivery WHERE notification_id = $1`, id).Scan(&left); err != nil {
		return false, fmt.Errorf("count deliveries: %w", err)
	}
	if removed > 0 && left == 0 {
		if _, err := x.tx.ExecContext(ctx, `DELETE FROM notification WHERE id = $1`, id); err != nil {
			return false, fmt.Errorf("delete notification: %w", err)
		}
		x.done.Notifications++
		return false, nil
	}
	if less {
		canonical, err := json.Marshal(fields)
		if err != nil {
			return false, fmt.Errorf("write request: %w", err)
		}
		if _, err := x.tx.ExecContext(ctx, `UPDATE notification SET request = $1 WHERE id = $2`, string(canonical), id); err != nil {
			return false, fmt.Errorf("write request: %w", err)
		}
	}
	if less || removed > 0 {
		x.done.Changed++
	}
	return !finished.Valid, nil
}

// deliveries removes those of a notification to the person, with their attempts.
func (x *personErasure) deliveries(ctx context.Context, notification string) (removed int, err error) {
	of, args := x.who.of()
	one := args.add(notification)
	these := of + ` AND d.notification_id = ` + one
	var queued, sending int
	err = x.tx.QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(SUM(CASE d.state WHEN 'queued' THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE d.state WHEN 'sending' THEN 1 ELSE 0 END), 0)
		FROM delivery d WHERE `+these, args...).Scan(&removed, &queued, &sending)
	if err != nil || removed == 0 {
		return 0, err
	}
	for _, statement := range []string{
		`UPDATE delivery SET instead_of = NULL WHERE notification_id = ` + one + ` AND instead_of IN (SELECT d.id FROM delivery d WHERE ` + these + `)`,
		`DELETE FROM delivery WHERE notification_id = ` + one + ` AND id IN (SELECT d.id FROM delivery d WHERE ` + these + `)`,
	} {
		if _, err := x.tx.ExecContext(ctx, statement, args...); err != nil {
			return 0, fmt.Errorf("delete deliveries: %w", err)
		}
	}
	x.done.Deliveries += removed
	x.done.Cancelled += queued
	x.done.Sending += sending
	return removed, nil
}

// dropLane removes a lane in which nothing waits: its name is the person's.
func (x personErasure) dropLane(ctx context.Context, lane string) error {
	_, err := x.tx.ExecContext(ctx, `DELETE FROM lane WHERE lane = $1 AND lease_owner IS NULL
		AND NOT EXISTS (SELECT 1 FROM delivery WHERE lane = $1 AND state IN ('queued', 'sending'))`, lane)
	if err != nil {
		return fmt.Errorf("delete lane: %w", err)
	}
	return nil
}

// eraseConversations removes the threads of direct conversations with the
// person, and what lanes are left of them.
func (r *Relay) eraseConversations(ctx context.Context, who someone, sum *Erased) error {
	lanes := slices.Clone(who.lanes)
	if rt := r.routes()[who.route]; rt != nil {
		for _, name := range who.names {
			lanes = append(lanes, rt.place(name).lane)
		}
	}
	slices.SortFunc(lanes, func(a, b string) int { return placeOf(a).compare(placeOf(b)) })
	var threads int64
	err := r.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		threads = 0
		x := personErasure{tx: tx, who: who}
		for _, lane := range lanes {
			if _, err := tx.ExecContext(ctx, `UPDATE lane SET lane = lane WHERE lane = $1`, lane); err != nil { // locks it, against who queues just now
				return fmt.Errorf("lock lane: %w", err)
			}
			result, err := tx.ExecContext(ctx, `DELETE FROM entity WHERE lane = $1 AND route = $2`, lane, who.route)
			if err != nil {
				return fmt.Errorf("delete threads: %w", err)
			}
			n, err := result.RowsAffected()
			if err != nil {
				return fmt.Errorf("delete threads: %w", err)
			}
			threads += n
			if err := x.dropLane(ctx, lane); err != nil {
				return err
			}
		}
		return nil
	})
	sum.Threads = int(threads)
	return err
}
