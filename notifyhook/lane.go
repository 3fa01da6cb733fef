package notifyhook

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

const (
	lease     = 30 * time.Second
	workLimit = 25 * time.Second // all calls of one claim together; less than the lease
	holdAgain = 100 * time.Millisecond
	maxEnded  = 50 // deliveries ended while one lane is claimed

	arrivalSpread = 2 * storeTimeout // what arrived earlier may be written that much later, also by a replica
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
	taken    bool      // there is work
	astray   bool      // the head belongs to another app

	delivery     string
	notification string
	credential   string // by which that came
	seq          int64
	to           string
	request      request
	attempt      int // number of the attempt begun; 0: none, the recipient is not resolved
	before       tried
	standing     standing  // of the head's entity
	due          time.Time // when it might first be sent
	merged       []claim   // deliveries that go along with it, in one message; their own is empty
	isActor      bool      // of such a one: to its actor, so it is left out
	audience     audience  // whom the message is for; as far as is known
	repeats      bool      // a batch, or what is left of it, that Slack may have already
}

// ending is a delivery that was ended without a call to Slack.
type ending struct{ route, delivery, reason string }

// claim leases up to limit due lanes, and no more than atOnce, and begins the
// attempt of each head that has a conversation. It returns nothing if nothing is
// due, without writing. One goroutine at a time may call it.
func (r *Relay) claim(ctx context.Context, limit int) ([]claim, error) {
	begun := time.Now() // not later: what waits for its turn to write loses time to work, not safety
	looking, looked := context.WithTimeout(ctx, lookLimit)
	defer looked()
	now, err := r.clock(looking)
	if err != nil {
		return nil, err
	}
	r.lastClaim.now, r.lastClaim.at = now, begun
	if err := r.survey.look(looking, r, now); err != nil {
		return nil, err
	}
	list, err := r.choose(looking, r.conf.Load(), now, min(limit, atOnce))
	if err != nil || len(list) == 0 {
		return nil, err
	}
	claims := make([]claim, len(list))
	err = r.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for i, one := range list {
			claims[i] = claim{place: one.place, app: one.app, owner: rand.Text(), at: now, begun: begun} // anew: the function may run again
			var err error
			if claims[i].taken, err = r.take(ctx, tx, &claims[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		for _, one := range list {
			r.shares.queue(one.app.name, now)
		}
		return nil, err
	}
	claims = slices.DeleteFunc(claims, func(c claim) bool { return !r.afterClaim(ctx, c) })
	if len(claims) > 0 {
		r.reached(atClaimed)
	}
	return claims, nil
}

// afterClaim does what is left to do about a lane after it was claimed, and reports
// whether there is work in it.
func (r *Relay) afterClaim(ctx context.Context, c claim) bool {
	for _, e := range c.ended {
		r.log.Warn("delivery dead", "route", e.route, "delivery", e.delivery, "reason", e.reason)
		r.routes()[e.route].noteDelivery("dead")
	}
	r.shares.charge(c.app.name, len(c.ended)/endedCost)
	if !c.taken {
		r.shares.queue(c.app.name, c.at) // it may be due again, or others of the app
	}
	if c.astray {
		if err := r.adopt(ctx, c.lane); err != nil {
			r.log.Error("adopt lane failed", "routes", c.app.hosts, "error", err)
		}
	}
	return c.taken
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
	if rest, err := r.endInterrupted(ctx, tx, c); err != nil || rest > 0 {
		if err == nil {
			err = postpone(ctx, tx, c.lane, c.at.Add(rest))
		}
		return false, err
	}
	if found, err := r.liveHead(ctx, tx, c); err != nil || !found {
		if err == nil {
			err = c.release(ctx, tx)
		}
		return false, err
	}
	if c.astray = c.route.app != c.app; c.astray {
		return false, postpone(ctx, tx, c.lane, c.at.Add(holdAgain))
	}
	if err := c.lookBack(ctx, tx); err != nil {
		return false, err
	}
	if c.conversation == "" {
		r.lookAnew(c)
		if wait := r.lookupWait(c); wait > 0 {
			return false, postpone(ctx, tx, c.lane, c.at.Add(wait))
		}
		return true, nil
	}
	if err := c.findStanding(ctx, tx); err != nil {
		return false, err
	}
	if wait := c.app.limits.wait(c.method(), r.now()); wait > 0 {
		return false, postpone(ctx, tx, c.lane, c.at.Add(wait))
	}
	if wait, err := r.olderUnresolved(ctx, tx, c); err != nil || wait {
		if err == nil {
			err = postpone(ctx, tx, c.lane, c.at.Add(holdAgain))
		}
		return false, err
	}
	begun, err := c.begin(ctx, tx)
	switch {
	case err == nil && begun:
		err = r.takeAlong(ctx, tx, c)
	case err == nil:
		err = c.release(ctx, tx)
	}
	return begun, err
}

// endInterrupted settles deliveries left in state sending: whoever began them did not
// live, or not fast enough, to say how it ended, so Slack may have them. It
// returns how long the lane must rest before that can be found out.
func (r *Relay) endInterrupted(ctx context.Context, tx *sql.Tx, c *claim) (rest time.Duration, err error) {
	var id, notification string
	for {
		err := tx.QueryRowContext(ctx, `SELECT id, notification_id FROM delivery WHERE lane = $1 AND state = 'sending'
			ORDER BY seq LIMIT 1`, c.lane).Scan(&id, &notification)
		if errors.Is(err, sql.ErrNoRows) {
			return rest, nil
		}
		if err != nil {
			return 0, fmt.Errorf("find interrupted delivery: %w", err)
		}
		// The error stays when the outcome has become known: what crashes us every
		// time must end.
		if _, err := tx.ExecContext(ctx, `UPDATE attempt SET outcome = $1, error = $1, ended_at = $2 WHERE delivery_id = $3 AND ended_at IS NULL`,
			interrupted.String(), c.at.UnixMilli(), id); err != nil {
			return 0, fmt.Errorf("end interrupted attempt: %w", err)
		}
		var n int
		var begun int64
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(MAX(begun_at), 0) FROM attempt WHERE delivery_id = $1 AND error = $2`, id, interrupted.String()).Scan(&n, &begun); err != nil {
			return 0, fmt.Errorf("count interrupted attempts: %w", err)
		}
		v := verdict{state: "queued", reason: interrupted.String(), counted: true}
		if n >= maxInterrupted {
			v.state, v.reason = "dead", outcomeUnknown
		} else {
			// What Slack was about to post is in its history by then, and a process
			// that crashes again and again does not use the attempts up at once.
			rest = max(rest, min(backoff(time.UnixMilli(begun), n+1, 0.5).Sub(c.at), longestWait)) // the clock may have been set back
		}
		if err := r.end(ctx, tx, &claim{delivery: id, notification: notification, at: c.at}, v, outcome{}); err != nil {
			return 0, err
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
	var expires, due int64
	err = tx.QueryRowContext(ctx, `SELECT d.seq, d.id, d.notification_id, d.route, d.recipient, d.due_at, n.request, n.expires_at, n.credential
		FROM delivery d JOIN notification n ON n.id = d.notification_id
		WHERE d.lane = $1 AND d.state IN ('queued', 'sending') ORDER BY d.seq LIMIT 1`, c.lane).
		Scan(&c.seq, &c.delivery, &c.notification, &host, &c.to, &due, &asked, &expires, &c.credential)
	if errors.Is(err, sql.ErrNoRows) {
		return false, "", nil
	}
	if err != nil {
		return false, "", fmt.Errorf("read head of lane: %w", err)
	}
	if c.route = c.app.conf.routes[host]; c.route == nil {
		c.route = c.app.first
	}
	c.request, c.due = request{}, time.UnixMilli(due)
	switch {
	case expires <= c.at.UnixMilli():
		over = expired.String()
	case json.Unmarshal([]byte(asked), &c.request) != nil:
		over = "unreadable"
	}
	return true, over, nil
}

// olderQuery asks whether a recipient's lane has something older than $3 and is
// being looked up, or due since $2 at the latest; who waits there with something
// older has done so for as long. So it reads no more than such lanes, however
// many wait.
const olderQuery = `SELECT EXISTS (SELECT 1 FROM lane u
		WHERE u.app = $1 AND u.conversation IS NULL AND u.due_at IS NOT NULL AND u.due_at <= $2 AND u.failures = 0
			AND EXISTS (SELECT 1 FROM delivery d WHERE d.lane = u.lane AND d.state IN ('queued', 'sending') AND d.seq < $3))
	OR EXISTS (SELECT 1 FROM lane u
		WHERE u.app = $1 AND u.conversation IS NULL AND u.lease_owner IS NOT NULL AND u.failures = 0
			AND EXISTS (SELECT 1 FROM delivery d WHERE d.lane = u.lane AND d.state IN ('queued', 'sending') AND d.seq < $3))`

// olderUnresolved says whether an older delivery of the app is just being
// looked up for the first time. It may turn out to belong to this conversation,
// so the younger one waits. A lookup that failed or was throttled holds nobody
// that waited before it is tried again.
func (r *Relay) olderUnresolved(ctx context.Context, tx *sql.Tx, c *claim) (older bool, err error) {
	since := c.due.Add(arrivalSpread)
	if since.After(c.at) {
		since = c.at
	}
	err = tx.QueryRowContext(ctx, olderQuery, c.app.name, since.UnixMilli(), c.seq).Scan(&older)
	if err != nil {
		return false, fmt.Errorf("look for older deliveries: %w", err)
	}
	return older, nil
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

// lookBack counts the attempts that bear on the next.
func (c *claim) lookBack(ctx context.Context, tx *sql.Tx) error {
	rows, err := tx.QueryContext(ctx, `SELECT outcome, COUNT(*), MIN(begun_at) FROM attempt WHERE delivery_id = $1 GROUP BY outcome`, c.delivery)
	if err != nil {
		return fmt.Errorf("count attempts: %w", err)
	}
	defer rows.Close()
	counted, since := map[string]int{}, int64(math.MaxInt64)
	for rows.Next() {
		var how string
		var n int
		var first int64
		if err := rows.Scan(&how, &n, &first); err != nil {
			return fmt.Errorf("count attempts: %w", err)
		}
		counted[how] = n
		if how == ambiguous.String() || how == interrupted.String() {
			since = min(since, first)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("count attempts: %w", err)
	}
	c.before = tried{ambiguous: counted[ambiguous.String()], interrupted: counted[interrupted.String()],
		unknown: counted[unknown.String()], refused: counted[recipientGone.String()]}
	if c.before.inDoubt() {
		if c.before.doubtSince = time.UnixMilli(since); c.before.doubtSince.After(c.at) { // the clock was set back, who knows how far
			c.before.doubtSince = c.at.Add(-maxExpiresIn)
		}
	}
	return nil
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

// isScheduled says whether the lane was made for one delivery's send_at.
func (c claim) isScheduled() bool { return strings.HasPrefix(c.lane, c.app.name+"@") }
