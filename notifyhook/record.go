package notifyhook

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// errLeaseLost is: the lane is somebody else's by now. What the call came to is
// theirs to find out.
var errLeaseLost = errors.New("lease lost")

// record writes down what an attempt came to, makes the fallback that it calls
// for, and gives the lane back. All of it is fenced: if the lease was lost,
// nothing is written.
func (r *Relay) record(ctx context.Context, c claim, o outcome, v verdict) error {
	now, err := r.clock(ctx)
	if err != nil {
		return err
	}
	c.at = now
	return r.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		instead, err := r.substitute(ctx, tx, c, v, o)
		if err != nil {
			return err
		}
		if instead == nil {
			err = c.fence(ctx, tx, v)
		} else if err = c.fenceWith(ctx, tx, v, instead.place, now); err == nil {
			err = instead.insert(ctx, tx, c)
		}
		if err != nil {
			return err
		}
		for _, one := range c.parts() {
			o, v := one.share(o, v)
			if err := r.endPart(ctx, tx, one, o, v); err != nil {
				return err
			}
			if err := c.keepBatch(ctx, tx, one, o); err != nil {
				return err
			}
		}
		if err := c.keepStanding(ctx, tx, o); err != nil {
			return err
		}
		return c.release(ctx, tx)
	})
}

// endPart writes down what an attempt came to for one delivery.
func (r *Relay) endPart(ctx context.Context, tx *sql.Tx, c claim, o outcome, v verdict) error {
	if o.class != held || c.attempt > 0 { // else there was none
		if err := c.endAttempt(ctx, tx, o, v); err != nil {
			return err
		}
	}
	return r.end(ctx, tx, &c, v, o)
}

// fence proves that the lane is still ours, and locks it: what is read after it
// in the same transaction includes all that was queued before. A pause that
// came from elsewhere in the meantime stays if it is the longer one.
func (c claim) fence(ctx context.Context, tx *sql.Tx, v verdict) error {
	result, err := tx.ExecContext(ctx, `UPDATE lane SET failures = $1, not_before = CASE WHEN not_before > $2 THEN not_before ELSE $2 END
		WHERE lane = $3 AND lease_owner = $4`, v.failures, v.notBefore.UnixMilli(), c.lane, c.owner)
	if err != nil {
		return fmt.Errorf("fence lane: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil {
		return fmt.Errorf("fence lane: %w", err)
	} else if n == 0 {
		return errLeaseLost
	}
	return nil
}

// fenceWith is fence, and locks a second lane, in the order of all lanes.
func (c claim) fenceWith(ctx context.Context, tx *sql.Tx, v verdict, other place, due time.Time) error {
	if other.compare(c.place) >= 0 {
		if err := c.fence(ctx, tx, v); err != nil {
			return err
		}
		return other.queue(ctx, tx, c.app, due)
	}
	if err := other.queue(ctx, tx, c.app, due); err != nil {
		return err
	}
	return c.fence(ctx, tx, v)
}

// endAttempt completes the attempt begun by the claim. A failed look-up has
// none, and gets its row now: it may be repeated freely.
func (c claim) endAttempt(ctx context.Context, tx *sql.Tx, o outcome, v verdict) error {
	var again *int64
	if v.state == "queued" {
		again = new(v.notBefore.UnixMilli())
	}
	n := c.attempt
	if n == 0 {
		var err error
		if n, err = c.insertAttempt(ctx, tx); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `UPDATE attempt SET ended_at = $1, method = $2, outcome = $3, error = $4, again_at = $5 WHERE delivery_id = $6 AND n = $7`,
		c.at.UnixMilli(), o.method, o.class.String(), o.reason, again, c.delivery, n)
	if err != nil {
		return fmt.Errorf("end attempt: %w", err)
	}
	return nil
}

// end puts the verdict on the delivery, and closes the notification with its
// last delivery. One that ends without another attempt, such as an expired one,
// while Slack may have it from an earlier one, ends with that said.
func (r *Relay) end(ctx context.Context, tx *sql.Tx, c *claim, v verdict, o outcome) error {
	terminal := v.state != "queued"
	var finished *int64
	if terminal {
		finished = new(c.at.UnixMilli())
	}
	delta := 0 // begin counted the attempt already, a look-up was not counted
	if c.attempt > 0 && !v.counted {
		delta = -1
	} else if c.attempt == 0 && v.counted && c.owner != "" {
		delta = 1
	}
	reason := v.reason
	if terminal && c.attempt == 0 {
		reason = outcomeUnknown
	}
	_, err := tx.ExecContext(ctx, `UPDATE delivery SET state = $1, attempts = attempts + $3, slack_channel = $4, slack_ts = $5, finished_at = $6,
			last_error = CASE WHEN EXISTS (SELECT 1 FROM attempt a WHERE a.delivery_id = delivery.id AND a.outcome IN ($9, $10)) THEN $8 ELSE $2 END
		WHERE id = $7 AND state IN ('queued', 'sending')`,
		v.state, v.reason, delta, o.channel, o.ts, finished, c.delivery, reason, ambiguous.String(), interrupted.String())
	if err != nil {
		return fmt.Errorf("record delivery: %w", err)
	}
	if !terminal {
		return nil
	}
	return r.finish(ctx, tx, c.notification, c.at)
}

// finish closes the notification if nothing of it is left to do. A delivery with
// a fallback counts by that one.
func (r *Relay) finish(ctx context.Context, tx *sql.Tx, notification string, now time.Time) error {
	if r.store.Postgres() { // two deliveries that end at once must not each see the other as open
		if _, err := tx.ExecContext(ctx, `SELECT 1 FROM notification WHERE id = $1 FOR UPDATE`, notification); err != nil {
			return fmt.Errorf("lock notification: %w", err)
		}
	}
	_, err := tx.ExecContext(ctx, `UPDATE notification SET finished_at = $1, status = (SELECT CASE
			WHEN SUM(CASE d.state WHEN 'sent' THEN 1 ELSE 0 END) > 0 AND SUM(CASE d.state WHEN 'dead' THEN 1 ELSE 0 END) > 0 THEN 'partial'
			WHEN SUM(CASE d.state WHEN 'sent' THEN 1 ELSE 0 END) > 0 THEN 'sent'
			WHEN SUM(CASE d.state WHEN 'dead' THEN 1 ELSE 0 END) > 0 THEN 'failed'
			WHEN SUM(CASE d.state WHEN 'cancelled' THEN 1 ELSE 0 END) > 0 THEN 'cancelled'
			ELSE 'suppressed' END
			FROM delivery d WHERE d.notification_id = $2 AND NOT EXISTS (SELECT 1 FROM delivery f WHERE f.notification_id = $2 AND f.instead_of = d.id))
		WHERE id = $2 AND NOT EXISTS (SELECT 1 FROM delivery WHERE notification_id = $2 AND state IN ('queued', 'sending'))`, now.UnixMilli(), notification)
	if err != nil {
		return fmt.Errorf("finish notification: %w", err)
	}
	return nil
}

// release gives a lane back and says when it is due next. The caller holds its
// lock, so that what is queued at the same time is either seen here or waits. A
// lane made for a single delivery goes with it.
func (c claim) release(ctx context.Context, tx *sql.Tx) error {
	if c.isScheduled() {
		if _, err := tx.ExecContext(ctx, `DELETE FROM lane WHERE lane = $1
			AND NOT EXISTS (SELECT 1 FROM delivery WHERE lane = $1 AND state IN ('queued', 'sending'))`, c.lane); err != nil {
			return fmt.Errorf("delete lane: %w", err)
		}
	}
	_, err := tx.ExecContext(ctx, `UPDATE lane SET lease_owner = NULL, due_at = CASE
			WHEN NOT EXISTS (SELECT 1 FROM delivery WHERE lane = $1 AND state IN ('queued', 'sending')) THEN NULL
			WHEN not_before > $2 THEN not_before
			ELSE $2 END
		WHERE lane = $1`, c.lane, c.at.UnixMilli())
	if err != nil {
		return fmt.Errorf("release lane: %w", err)
	}
	return nil
}

// move takes all that waits in a resolved recipient's lane to the lane of the
// conversation. Each delivery keeps its seq, and with it its place in order.
// It is one transaction, so a crash leaves all of them here or all there.
func (r *Relay) move(ctx context.Context, c claim, conversation string) error {
	now, err := r.clock(ctx)
	if err != nil {
		return err
	}
	c.at = now
	to := c.app.conversation(conversation)
	return r.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := c.fence(ctx, tx, verdict{notBefore: time.UnixMilli(0)}); err != nil {
			return err
		}
		if err := to.queue(ctx, tx, c.app, now); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE delivery SET lane = $1, resolved_at = $3 WHERE lane = $2 AND state IN ('queued', 'sending')`, to.lane, c.lane, now.UnixMilli()); err != nil {
			return fmt.Errorf("move deliveries: %w", err)
		}
		r.reached(atMoving)
		return c.release(ctx, tx)
	})
}

// redirect records that posting was refused and takes what waits for that
// recipient to the lane of another conversation, which the recipient is by now.
// Each delivery keeps its seq.
func (r *Relay) redirect(ctx context.Context, c claim, o outcome, conversation string) error {
	now, err := r.clock(ctx)
	if err != nil {
		return err
	}
	c.at = now
	to := c.app.conversation(conversation)
	again := verdict{state: "queued", reason: o.reason, counted: true, notBefore: now}
	return r.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := c.fenceWith(ctx, tx, again, to, now); err != nil {
			return err
		}
		if err := c.endAttempt(ctx, tx, o, again); err != nil {
			return err
		}
		if err := r.end(ctx, tx, &c, again, outcome{}); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE delivery SET lane = $1, resolved_at = $2 WHERE lane = $3 AND recipient = $4 AND state IN ('queued', 'sending')`,
			to.lane, now.UnixMilli(), c.lane, c.to); err != nil {
			return fmt.Errorf("redirect deliveries: %w", err)
		}
		return c.release(ctx, tx)
	})
}

// expire ends queued deliveries whose time is over, wherever they wait: in a
// lane in backoff, or of a route that is held. It returns how many.
func (r *Relay) expire(ctx context.Context) (int, error) {
	now, err := r.clock(ctx)
	if err != nil {
		return 0, err
	}
	list, err := r.overdue(ctx, now)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	err = r.endOverdue(ctx, list)
	if err == nil {
		for _, c := range list {
			c.route.noteDelivery("dead")
		}
	}
	return len(list), err
}

// overdue lists some of the deliveries that have expired.
func (r *Relay) overdue(ctx context.Context, now time.Time) ([]claim, error) {
	const batch = 200
	rows, err := r.store.Read().QueryContext(ctx, `SELECT d.id, d.notification_id, d.route FROM notification n JOIN delivery d ON d.notification_id = n.id
		WHERE n.finished_at IS NULL AND n.expires_at <= $1 AND d.state = 'queued' LIMIT $2`, now.UnixMilli(), batch)
	if err != nil {
		return nil, fmt.Errorf("list expired deliveries: %w", err)
	}
	defer rows.Close()
	var list []claim
	for rows.Next() {
		c, host := claim{at: now}, ""
		if err := rows.Scan(&c.delivery, &c.notification, &host); err != nil {
			return nil, fmt.Errorf("list expired deliveries: %w", err)
		}
		c.route = r.routes()[host]
		list = append(list, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list expired deliveries: %w", err)
	}
	return list, nil
}

// endOverdue ends those that are still queued. One that was taken in the meantime
// is ended by its attempt; one that was erased is gone.
func (r *Relay) endOverdue(ctx context.Context, list []claim) error {
	return r.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, c := range list {
			var state string
			err := tx.QueryRowContext(ctx, `SELECT state FROM delivery WHERE id = $1 `+r.forUpdate(), c.delivery).Scan(&state)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return fmt.Errorf("look at expired delivery: %w", err)
			}
			if state != "queued" {
				continue
			}
			if err := r.end(ctx, tx, &c, verdict{state: "dead", reason: expired.String()}, outcome{}); err != nil {
				return err
			}
		}
		return nil
	})
}
