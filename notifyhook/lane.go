package notifyhook

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	lease     = 30 * time.Second
	workLimit = 25 * time.Second // all calls of one claim together; less than the lease
	holdAgain = 100 * time.Millisecond
	maxEnded  = 50 // deliveries ended while one lane is claimed
)

// claim is a leased lane with the delivery at its head.
type claim struct {
	place
	app      *app
	route    *route // the head's
	owner    string // random for each claim: the fence
	failures int    // of the lane
	at       time.Time
	begun    time.Time // no later than at, by this process's clock: lease and workLimit count from here
	ended    []ending  // heads that died on the way

	delivery     string
	notification string
	seq          int64
	to           string
	request      request
	attempt      int // number of the attempt begun; 0: none, the recipient is not resolved
	before       tried
}

// ending is a delivery that was ended without a call to Slack.
type ending struct{ route, delivery, reason string }

// candidate is a lane that is due.
type candidate struct {
	place
	app  string
	rank int // among the due lanes of its app
}

// claim leases up to limit due lanes and begins the attempt of each head that
// has a conversation. It returns nothing if nothing is due, without writing.
func (r *Relay) claim(ctx context.Context, limit int) ([]claim, error) {
	begun := time.Now() // not later: what waits for its turn to write loses time to work, not safety
	now, err := r.clock(ctx)
	if err != nil {
		return nil, err
	}
	list, err := r.due(ctx, now, limit)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	var claims []claim
	var ended []ending
	err = r.store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		claims, ended = nil, nil // the function may run again
		for _, one := range list {
			c := claim{place: one.place, app: r.apps[one.app], owner: rand.Text(), at: now, begun: begun}
			ok, err := r.take(ctx, tx, &c)
			if err != nil {
				return err
			}
			if ok {
				claims = append(claims, c)
			}
			ended = append(ended, c.ended...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, e := range ended {
		r.log.Warn("delivery dead", "route", e.route, "delivery", e.delivery, "reason", e.reason)
	}
	if len(list) == limit && len(claims) < limit {
		r.nudge() // others are due, and workers free
	}
	return claims, nil
}

// due chooses among the due lanes so that apps get equal shares of the workers,
// whatever the length of their queues: a lane counts as far back as its rank
// within its app and the app's calls under way. Only apps that this process
// knows and does not hold are looked at.
func (r *Relay) due(ctx context.Context, now time.Time, limit int) ([]candidate, error) {
	query, args := r.dueQuery(now, limit)
	if query == "" {
		return nil, nil
	}
	rows, err := r.store.Read().QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list due lanes: %w", err)
	}
	defer rows.Close()
	var list []candidate
	for rows.Next() {
		var c candidate
		var conversation sql.NullString
		if err := rows.Scan(&c.lane, &c.app, &conversation, &c.rank); err != nil {
			return nil, fmt.Errorf("list due lanes: %w", err)
		}
		c.conversation = conversation.String
		c.rank += r.flight.of(c.app)
		list = append(list, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list due lanes: %w", err)
	}
	slices.SortStableFunc(list, func(a, b candidate) int { return cmp.Compare(a.rank, b.rank) })
	list = list[:min(len(list), limit)]
	slices.SortFunc(list, func(a, b candidate) int { return a.place.compare(b.place) }) // the order of locking
	return list, nil
}

// dueQuery lists the first due lanes of each app. It compares pairs so that
// only lane_app serves, which finds the first limit lanes of an app at once,
// however many are due. It is empty if there is no app to look at.
func (r *Relay) dueQuery(now time.Time, limit int) (string, []any) {
	args := []any{now.UnixMilli(), limit, limit * 4}
	apps := ""
	for name := range r.apps {
		if !r.alarms.isHeld(name) {
			args = append(args, name)
			apps += fmt.Sprintf(", ($%d)", len(args))
		}
	}
	if apps == "" {
		return "", nil
	}
	among := "IN"
	if r.store.Postgres() { // which would read all lanes for the other
		among = "= ANY (ARRAY"
	}
	query := `WITH known (app) AS (VALUES ` + apps[2:] + `)
		SELECT lane, app, conversation, position FROM (
			SELECT l.lane, l.app, l.conversation, l.due_at, ROW_NUMBER() OVER (PARTITION BY l.app ORDER BY l.due_at) AS position
			FROM known CROSS JOIN lane l WHERE l.lane ` + among + ` (SELECT d.lane FROM lane d
				WHERE d.due_at IS NOT NULL AND (d.app, d.due_at) >= (known.app, 0) AND (d.app, d.due_at) <= (known.app, $1)
				ORDER BY d.app, d.due_at LIMIT $2)`
	if r.store.Postgres() {
		query += ")"
	}
	return query + `) AS due ORDER BY position, due_at LIMIT $3`, args
}

// take leases one lane if it is still due, settles what an earlier holder left
// behind, and begins the head's attempt. It reports whether there is work.
func (r *Relay) take(ctx context.Context, tx *sql.Tx, c *claim) (bool, error) {
	now := c.at.UnixMilli()
	err := tx.QueryRowContext(ctx, `UPDATE lane SET lease_owner = $1, due_at = $2 WHERE lane IN (SELECT lane FROM lane
			WHERE lane = $3 AND due_at <= $4 `+r.store.SkipLocked()+`)
		RETURNING failures`, c.owner, c.at.Add(lease).UnixMilli(), c.lane, now).Scan(&c.failures)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("lease lane: %w", err)
	}
	if err := r.recover(ctx, tx, c); err != nil {
		return false, err
	}
	if found, err := r.liveHead(ctx, tx, c); err != nil || !found {
		if err == nil {
			err = c.release(ctx, tx)
		}
		return false, err
	}
	if err := c.lookBack(ctx, tx); err != nil {
		return false, err
	}
	if c.conversation == "" {
		return true, nil
	}
	if wait := c.app.limits.wait(postMessage, r.now()); wait > 0 {
		return false, postpone(ctx, tx, c.lane, c.at.Add(wait))
	}
	if wait, err := r.olderUnresolved(ctx, tx, c); err != nil || wait {
		if err == nil {
			err = postpone(ctx, tx, c.lane, c.at.Add(holdAgain))
		}
		return false, err
	}
	begun, err := c.begin(ctx, tx)
	if err == nil && !begun {
		err = c.release(ctx, tx)
	}
	return begun, err
}

// recover settles deliveries left in state sending: whoever began them did not
// live, or not fast enough, to say how it ended, so Slack may have them.
func (r *Relay) recover(ctx context.Context, tx *sql.Tx, c *claim) error {
	var id, notification string
	for {
		err := tx.QueryRowContext(ctx, `SELECT id, notification_id FROM delivery WHERE lane = $1 AND state = 'sending'
			ORDER BY seq LIMIT 1`, c.lane).Scan(&id, &notification)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("find interrupted delivery: %w", err)
		}
		if _, err := tx.ExecContext(ctx, `UPDATE attempt SET outcome = $1, ended_at = $2 WHERE delivery_id = $3 AND ended_at IS NULL`,
			interrupted.String(), c.at.UnixMilli(), id); err != nil {
			return fmt.Errorf("end interrupted attempt: %w", err)
		}
		n, err := countAttempts(ctx, tx, id, interrupted)
		if err != nil {
			return err
		}
		v := verdict{state: "queued", reason: interrupted.String(), counted: true, duplicate: true}
		if n >= maxInterrupted {
			v.state, v.reason = "dead", "outcome_unknown"
		}
		if err := r.end(ctx, tx, &claim{delivery: id, notification: notification, at: c.at}, v, outcome{}); err != nil {
			return err
		}
	}
}

// liveHead finds the first delivery of the lane that can be sent, and ends those
// before it. After maxEnded of them it leaves the rest to the next claim.
func (r *Relay) liveHead(ctx context.Context, tx *sql.Tx, c *claim) (bool, error) {
	for range maxEnded {
		found, over, err := r.head(ctx, tx, c)
		if err != nil || !found {
			return false, err
		}
		if over == "" {
			return true, nil
		}
		if err := r.end(ctx, tx, c, verdict{state: "dead", reason: over}, outcome{}); err != nil {
			return false, err
		}
		c.ended = append(c.ended, ending{route: c.route.host, delivery: c.delivery, reason: over})
	}
	return false, nil
}

// head reads the first delivery of the lane and, if it cannot be sent any more,
// why. A request that cannot be decoded is no error, since it would be one for
// all lanes claimed at once.
func (r *Relay) head(ctx context.Context, tx *sql.Tx, c *claim) (found bool, over string, err error) {
	var host, asked string
	var expires int64
	err = tx.QueryRowContext(ctx, `SELECT d.seq, d.id, d.notification_id, d.route, d.recipient, n.request, n.expires_at
		FROM delivery d JOIN notification n ON n.id = d.notification_id
		WHERE d.lane = $1 AND d.state IN ('queued', 'sending') ORDER BY d.seq LIMIT 1`, c.lane).
		Scan(&c.seq, &c.delivery, &c.notification, &host, &c.to, &asked, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return false, "", nil
	}
	if err != nil {
		return false, "", fmt.Errorf("read head of lane: %w", err)
	}
	if c.route = r.routes[host]; c.route == nil {
		c.route = c.app.first
	}
	c.request = request{}
	switch {
	case expires <= c.at.UnixMilli():
		over = expired.String()
	case json.Unmarshal([]byte(asked), &c.request) != nil:
		over = "unreadable"
	}
	return true, over, nil
}

// olderUnresolved says whether an older delivery of the app is just being
// looked up for the first time. It may turn out to belong to this conversation,
// so the younger one waits. A lookup that failed or was throttled holds nobody.
func (r *Relay) olderUnresolved(ctx context.Context, tx *sql.Tx, c *claim) (bool, error) {
	var one int
	err := tx.QueryRowContext(ctx, `SELECT 1 FROM lane u JOIN delivery d ON d.lane = u.lane AND d.state IN ('queued', 'sending')
		WHERE u.app = $1 AND u.conversation IS NULL AND u.due_at IS NOT NULL AND (u.due_at <= $2 OR u.lease_owner IS NOT NULL)
			AND u.failures = 0 AND d.seq < $3 LIMIT 1`,
		c.app.name, c.at.UnixMilli(), c.seq).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for older deliveries: %w", err)
	}
	return true, nil
}

// begin writes down that an attempt begins, before it does. It reports whether
// the delivery is still queued: who expires it does not hold its lane.
func (c *claim) begin(ctx context.Context, tx *sql.Tx) (bool, error) {
	result, err := tx.ExecContext(ctx, `UPDATE delivery SET state = 'sending', attempts = attempts + 1, begun_at = COALESCE(begun_at, $2) WHERE id = $1 AND state = 'queued'`, c.delivery, c.at.UnixMilli())
	if err != nil {
		return false, fmt.Errorf("begin attempt: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil {
		return false, fmt.Errorf("begin attempt: %w", err)
	} else if n == 0 {
		return false, nil
	}
	c.attempt, err = c.insertAttempt(ctx, tx)
	return err == nil, err
}

// insertAttempt opens the delivery's next attempt and returns its number.
func (c claim) insertAttempt(ctx context.Context, tx *sql.Tx) (n int, err error) {
	if err := tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(n), 0) + 1 FROM attempt WHERE delivery_id = $1`, c.delivery).Scan(&n); err != nil {
		return 0, fmt.Errorf("number attempt: %w", err)
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO attempt (delivery_id, n, begun_at) VALUES ($1, $2, $3)`, c.delivery, n, c.at.UnixMilli()); err != nil {
		return 0, fmt.Errorf("begin attempt: %w", err)
	}
	return n, nil
}

// lookBack counts the attempts that left something in doubt.
func (c *claim) lookBack(ctx context.Context, tx *sql.Tx) (err error) {
	if c.before.ambiguous, err = countAttempts(ctx, tx, c.delivery, ambiguous); err != nil {
		return err
	}
	c.before.unknown, err = countAttempts(ctx, tx, c.delivery, unknown)
	return err
}

func countAttempts(ctx context.Context, tx *sql.Tx, delivery string, how class) (n int, err error) {
	err = tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM attempt WHERE delivery_id = $1 AND outcome = $2`, delivery, how.String()).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count attempts: %w", err)
	}
	return n, nil
}

// postpone gives a lane back, to be looked at again later. The caller holds its
// lock.
func postpone(ctx context.Context, tx *sql.Tx, lane string, until time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE lane SET not_before = $1, due_at = $1, lease_owner = NULL WHERE lane = $2`, until.UnixMilli(), lane)
	if err != nil {
		return fmt.Errorf("postpone lane: %w", err)
	}
	return nil
}

// isWaiting says whether the lane was made for one delivery's send_at.
func (c claim) isWaiting() bool { return strings.HasPrefix(c.lane, c.app.name+"@") }
