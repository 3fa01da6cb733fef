package gateway

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// whose says which sessions: those that are all it names. It must name
// something.
type whose struct {
	session sessionID // zero: any
	route   string    // "": any
	team    string    // "": any
	user    string    // a Slack id; "": anybody's
	person  string    // a Slack id or an e-mail address, in any case; "": anybody's
	all     bool      // every session there is
}

// where is the condition on rows of the table session, with its arguments
// numbered from first.
func (o whose) where(first int) (string, []any) {
	var terms []string
	var args []any
	term := func(format string, value any) {
		args = append(args, value)
		terms = append(terms, fmt.Sprintf(format, first+len(args)-1))
	}
	if o.session != (sessionID{}) {
		term("id = $%d", o.session.String())
	}
	if o.route != "" {
		term("route = $%d", o.route)
	}
	if o.team != "" {
		term("team = $%d", o.team)
	}
	if o.user != "" {
		term("user_id = $%d", o.user)
	}
	if o.person != "" {
		// Also by the address that the person has now: the row has that of then. Put
		// together from parts, each of which has its index.
		term(`id IN (SELECT id FROM session WHERE user_id = $%[1]d UNION ALL SELECT id FROM session WHERE lower(email) = lower($%[1]d)
			UNION ALL SELECT s.id FROM person p JOIN session s ON s.user_id = p.user_id AND s.team = p.team AND s.route = p.route WHERE lower(p.email) = lower($%[1]d))`, o.person)
	}
	switch {
	case len(terms) > 0:
		return strings.Join(terms, " AND "), args
	case o.all:
		return "1 = 1", nil
	}
	return "1 = 0", nil
}

// end revokes one session, durably, and at once for this process.
func (r *revocations) end(ctx context.Context, s *session, expires time.Time) error {
	_, err := r.revoke(ctx, whose{session: s.sum}, expires, auditEntry{})
	return err
}

// revoke ends sessions, durably, then at once for this process, and gives how
// many rows of sessions that were not over it removed. ends is when the last
// session that it could meet is over by itself. Without an action the act goes
// unwritten.
func (r *revocations) revoke(ctx context.Context, of whose, ends time.Time, act auditEntry) (ended int, err error) {
	var fresh []revocation
	err = r.store.Write(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
		now := r.now()
		if fresh, ended, err = endSessions(ctx, tx, of, now, ends); err != nil || act.action == "" {
			return err
		}
		if err := withdrawLinks(ctx, tx, of, now); err != nil {
			return err
		}
		done := act // act itself stays as it is: a transaction may run again
		done.detail = fmt.Sprintf("sessions ended: %d%s", ended, act.detail)
		return audit(ctx, tx, now, done)
	})
	if err != nil {
		return 0, fmt.Errorf("revoke sessions: %w", err)
	}
	r.apply(fresh)
	return ended, nil
}

// endSessions ends sessions within a transaction: it gives the revocations that
// it has written, and how many sessions were not over.
func endSessions(ctx context.Context, tx *sql.Tx, of whose, now, ends time.Time) (fresh []revocation, ended int, err error) {
	if fresh, ended, err = revocationsFor(ctx, tx, of, now, ends); err != nil {
		return nil, 0, err
	}
	if err := insertRevocations(ctx, tx, fresh); err != nil {
		return nil, 0, err
	}
	where, args := of.where(1)
	// #nosec G202 -- what is joined is placeholders and conditions of our own, never a value
	_, err = tx.ExecContext(ctx, `DELETE FROM session WHERE `+where, args...)
	return fresh, ended, err
}

// revocationsFor gives what to revoke so that the sessions are over, and how
// many of them are not over yet.
//
// A session counts as ended if it began before now. Other replicas' clocks may
// be ahead, so every row that is there counts as well.
func revocationsFor(ctx context.Context, tx *sql.Tx, of whose, now, ends time.Time) (fresh []revocation, ended int, err error) {
	if of.session != (sessionID{}) {
		err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM session WHERE id = $1 AND expires_at > $2`, of.session.String(), now.UnixMilli()).Scan(&ended)
		return []revocation{{"session", of.session.String(), now.UnixMilli() + 1, ends.UnixMilli()}}, ended, err
	}
	groups := map[revocation]revocation{}
	note := func(kind, value string, began, expires int64) {
		e := groups[revocation{kind: kind, value: value}]
		e.kind, e.value = kind, value
		e.before, e.expires = max(e.before, began+1), max(e.expires, expires)
		groups[revocation{kind: kind, value: value}] = e
	}
	kind, value := of.kind()
	if kind != "" {
		note(kind, value, now.UnixMilli(), ends.UnixMilli())
	}
	where, args := of.where(2)
	// #nosec G202 -- what is joined is placeholders and conditions of our own, never a value
	rows, err := tx.QueryContext(ctx, `SELECT route, team, user_id, SUM(CASE WHEN expires_at > $1 THEN 1 ELSE 0 END), MAX(created_at), MAX(expires_at)
		FROM session WHERE `+where+` GROUP BY route, team, user_id`, append([]any{now.UnixMilli()}, args...)...)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var who personKey
		var n int
		var began, expires int64
		if err := rows.Scan(&who.route, &who.team, &who.user, &n, &began, &expires); err != nil {
			return nil, 0, err
		}
		ended += n
		if kind != "" {
			note(kind, value, began, expires)
		} else {
			note("user", who.String(), max(began, now.UnixMilli()), max(expires, ends.UnixMilli()))
		}
	}
	for _, e := range groups {
		fresh = append(fresh, e)
	}
	return fresh, ended, rows.Err()
}

// kind is the one revocation that says it all; "" where that takes one for each
// person who has a session.
func (o whose) kind() (kind, value string) {
	switch {
	case o.person != "":
	case o.route != "" && o.team != "" && o.user != "":
		return "user", personKey{o.route, o.team, o.user}.String()
	case o.user != "" || o.team != "":
	case o.route != "":
		return "route", o.route
	case o.all:
		return "all", ""
	}
	return "", ""
}

// insertRevocations writes them under one new number.
func insertRevocations(ctx context.Context, tx *sql.Tx, fresh []revocation) error {
	if len(fresh) == 0 {
		return nil
	}
	// The row's lock is held until the commit, so numbers become visible in order.
	var seq int64
	err := tx.QueryRowContext(ctx, `INSERT INTO meta (name, value) VALUES ('revocations', '1')
		ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(meta.value AS BIGINT) + 1 AS TEXT) RETURNING CAST(value AS BIGINT)`).Scan(&seq)
	if err != nil {
		return err
	}
	for _, e := range fresh {
		_, err := tx.ExecContext(ctx, `INSERT INTO revocation (kind, value, not_before, expires_at, seq) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (kind, value) DO UPDATE SET seq = excluded.seq, expires_at = excluded.expires_at,
			not_before = CASE WHEN excluded.not_before > revocation.not_before THEN excluded.not_before ELSE revocation.not_before END`,
			e.kind, e.value, e.before, e.expires+cookieAfterlife.Milliseconds(), seq)
		if err != nil {
			return err
		}
	}
	return nil
}
