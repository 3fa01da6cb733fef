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
	lease         = 30 * time.Second
	workLimit     = 25 * time.Second // all calls of one claim together; less than the lease
	holdAgain     = 100 * time.Millisecond
	unconfigured  = 5 * time.Minute // until a lane of an unknown route is looked at again
	maxHeldListed = 500
)

// claim is a leased lane with the delivery at its head.
type claim struct {
	place
	route    *route
	owner    string // random for each claim: the fence
	failures int    // of the lane
	at       time.Time

	delivery     string
	notification string
	seq          int64
	to           string
	request      request
	attempt      int // number of the attempt begun; 0: none, the recipient is not resolved
	before       tried
}

// candidate is a lane that is due.
type candidate struct {
	place
	host string
	rank int // among the due lanes of its route
}

// claim leases up to limit due lanes and begins the attempt of each head that
// has a conversation. It returns nothing if nothing is due, without writing.
func (r *Relay) claim(ctx context.Context, limit int) ([]claim, error) {
	now, err := r.clock(ctx)
	if err != nil {
		return nil, err
	}
	list, err := r.due(ctx, now, limit)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	var claims []claim
	err = r.store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		claims = nil // the function may run again
		for _, one := range list {
			rt := r.routes[one.host]
			if rt == nil {
				if err := postpone(ctx, tx, one.lane, now.Add(unconfigured)); err != nil {
					return err
				}
				continue
			}
			c := claim{place: one.place, route: rt, owner: rand.Text(), at: now}
			ok, err := r.take(ctx, tx, &c)
			if err != nil {
				return err
			}
			if ok {
				claims = append(claims, c)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return claims, nil
}

// due chooses among the due lanes so that routes get equal shares of the
// workers, whatever the length of their queues: a lane counts as far back as
// its rank within its route and the route's calls under way.
func (r *Relay) due(ctx context.Context, now time.Time, limit int) ([]candidate, error) {
	held := r.alarms.held(maxHeldListed)
	args := []any{now.UnixMilli(), limit, limit * 4}
	without := ""
	for _, host := range held {
		args = append(args, host)
		without += fmt.Sprintf(", $%d", len(args))
	}
	if without != "" {
		without = " AND route NOT IN (" + without[2:] + ")"
	}
	rows, err := r.store.Read().QueryContext(ctx, `SELECT lane, route, conversation, position FROM (
			SELECT lane, route, conversation, due_at, ROW_NUMBER() OVER (PARTITION BY route ORDER BY due_at, lane) AS position FROM lane
			WHERE due_at <= $1 AND not_before <= $1 AND lease_until <= $1 AND paused = 0`+without+`) AS due
		WHERE position <= $2 ORDER BY position, due_at LIMIT $3`, args...)
	if err != nil {
		return nil, fmt.Errorf("list due lanes: %w", err)
	}
	defer rows.Close()
	var list []candidate
	for rows.Next() {
		var c candidate
		var conversation sql.NullString
		if err := rows.Scan(&c.lane, &c.host, &conversation, &c.rank); err != nil {
			return nil, fmt.Errorf("list due lanes: %w", err)
		}
		c.conversation = conversation.String
		if !r.alarms.isHeld(c.host) {
			c.rank += r.flight.of(c.host)
			list = append(list, c)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list due lanes: %w", err)
	}
	slices.SortStableFunc(list, func(a, b candidate) int { return cmp.Compare(a.rank, b.rank) })
	list = list[:min(len(list), limit)]
	slices.SortFunc(list, func(a, b candidate) int { return a.place.compare(b.place) }) // the order of locking
	return list, nil
}

// take leases one lane if it is still due, settles what an earlier holder left
// behind, and begins the head's attempt. It reports whether there is work.
func (r *Relay) take(ctx context.Context, tx *sql.Tx, c *claim) (bool, error) {
	now := c.at.UnixMilli()
	err := tx.QueryRowContext(ctx, `UPDATE lane SET lease_owner = $1, lease_until = $2 WHERE lane IN (SELECT lane FROM lane
			WHERE lane = $3 AND due_at <= $4 AND not_before <= $4 AND lease_until <= $4 AND paused = 0 `+r.store.SkipLocked()+`)
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
	for {
		found, over, err := r.head(ctx, tx, c)
		if err != nil {
			return false, err
		}
		if !found {
			return false, r.release(ctx, tx, c.lane, c.at)
		}
		if !over {
			break
		}
		if err := r.end(ctx, tx, c, verdict{state: "dead", reason: "expired"}, outcome{}); err != nil {
			return false, err
		}
	}
	if err := c.lookBack(ctx, tx); err != nil {
		return false, err
	}
	if c.conversation == "" {
		return true, nil
	}
	if wait, err := r.olderUnresolved(ctx, tx, c); err != nil || wait {
		if err == nil {
			err = postpone(ctx, tx, c.lane, c.at.Add(holdAgain))
		}
		return false, err
	}
	return true, r.begin(ctx, tx, c)
}

// recover settles deliveries left in state sending: whoever began them did not
// live, or not fast enough, to say how it ended, so Slack may have them.
func (r *Relay) recover(ctx context.Context, tx *sql.Tx, c *claim) error {
	var id, notification string
	for {
		err := tx.QueryRowContext(ctx, `SELECT id, notification_id FROM delivery WHERE lane = $1 AND state IN ('queued', 'sending') AND state = 'sending'
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

// head reads the first delivery of the lane, and whether its time is over.
func (r *Relay) head(ctx context.Context, tx *sql.Tx, c *claim) (found, over bool, err error) {
	var asked string
	var expires int64
	err = tx.QueryRowContext(ctx, `SELECT d.seq, d.id, d.notification_id, d.recipient, n.request, n.expires_at
		FROM delivery d JOIN notification n ON n.id = d.notification_id
		WHERE d.lane = $1 AND d.state IN ('queued', 'sending') ORDER BY d.seq LIMIT 1`, c.lane).
		Scan(&c.seq, &c.delivery, &c.notification, &c.to, &asked, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return false, false, nil
	}
	if err != nil {
		return false, false, fmt.Errorf("read head of lane: %w", err)
	}
	c.request = request{}
	if err := json.Unmarshal([]byte(asked), &c.request); err != nil {
		return false, false, fmt.Errorf("decode notification: %w", err)
	}
	return true, expires <= c.at.UnixMilli(), nil
}

// olderUnresolved says whether an older delivery of the route is just being
// looked up for the first time. It may turn out to belong to this conversation,
// so the younger one waits. A lookup that failed or was throttled holds nobody.
func (r *Relay) olderUnresolved(ctx context.Context, tx *sql.Tx, c *claim) (bool, error) {
	var one int
	err := tx.QueryRowContext(ctx, `SELECT 1 FROM lane u JOIN delivery d ON d.lane = u.lane AND d.state IN ('queued', 'sending')
		WHERE u.gate = $1 AND u.conversation IS NULL AND u.due_at <= $2 AND u.not_before <= $2 AND u.failures = 0 AND u.paused = 0 AND d.seq < $3 LIMIT 1`,
		c.route.gate, c.at.UnixMilli(), c.seq).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for older deliveries: %w", err)
	}
	return true, nil
}

// begin writes down that an attempt begins, before it does.
func (r *Relay) begin(ctx context.Context, tx *sql.Tx, c *claim) error {
	if _, err := tx.ExecContext(ctx, `UPDATE delivery SET state = 'sending', attempts = attempts + 1 WHERE id = $1`, c.delivery); err != nil {
		return fmt.Errorf("begin attempt: %w", err)
	}
	var err error
	c.attempt, err = c.insertAttempt(ctx, tx)
	return err
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

// postpone gives a lane back, to be looked at again later.
func postpone(ctx context.Context, tx *sql.Tx, lane string, until time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE lane SET not_before = $1, due_at = $1, lease_owner = NULL, lease_until = 0 WHERE lane = $2`, until.UnixMilli(), lane)
	if err != nil {
		return fmt.Errorf("postpone lane: %w", err)
	}
	return nil
}

// isWaiting says whether the lane was made for one delivery's send_at.
func (p place) isWaiting(rt *route) bool { return strings.HasPrefix(p.lane, rt.host+"@") }
