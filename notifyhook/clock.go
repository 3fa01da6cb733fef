package notifyhook

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// longestWait is the longest that a lane is ever made to wait: an hour of
// backoff and its jitter.
const longestWait = 72 * time.Minute

// takeOver clears the leases of this directory's former process, which is dead:
// the store let us in. The lanes that it had are due since their heads are, as
// younger deliveries wait for those (see olderUnresolved). If the clock was set back in between, waits that only
// that explains are cut short; else what Slack asked to wait for outlives the
// restart. On PostgreSQL another replica may well be alive, so leases run out
// there, and the clock is the database's.
func (r *Relay) takeOver(ctx context.Context) error {
	defer r.shares.forget()
	if r.store.Postgres() {
		return nil
	}
	now, err := r.clock(ctx)
	if err != nil {
		return fmt.Errorf("clear old leases: %w", err)
	}
	err = r.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE lane SET lease_owner = NULL, due_at = CASE WHEN not_before > $1 THEN not_before
			ELSE COALESCE((SELECT d.due_at FROM delivery d WHERE d.lane = lane.lane AND d.state IN ('queued', 'sending') AND d.due_at < $1 ORDER BY d.seq LIMIT 1), $1) END
			WHERE lease_owner IS NOT NULL`, now.UnixMilli())
		if err != nil {
			return err
		}
		if back, err := setBack(ctx, tx, now); err != nil || !back {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE lane SET
			not_before = MIN(not_before, CASE failures WHEN 0 THEN $1 ELSE $2 END),
			due_at = CASE WHEN `+scheduledLane+` THEN due_at ELSE MIN(due_at, CASE failures WHEN 0 THEN $1 ELSE $2 END) END
			WHERE not_before > $1 OR due_at > $1`, now.Add(pace).UnixMilli(), now.Add(longestWait).UnixMilli())
		return err
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("clear old leases: %w", err)
	}
	return nil
}

// setBack says whether the clock stands before something that was written down.
func setBack(ctx context.Context, tx *sql.Tx, now time.Time) (bool, error) {
	var accepted, finished sql.NullInt64
	err := tx.QueryRowContext(ctx, `SELECT (SELECT accepted_at FROM notification ORDER BY seq DESC LIMIT 1),
		(SELECT MAX(finished_at) FROM notification WHERE finished_at IS NOT NULL)`).Scan(&accepted, &finished)
	return max(accepted.Int64, finished.Int64) > now.UnixMilli(), err
}

// scheduledLane is the SQL for claim.isScheduled. Such a lane is due when its
// caller said, whatever the clock said then.
const scheduledLane = `substr(lane, length(app) + 1, 1) = '@'`

// followClock moves what lanes wait for along with a clock that was set back by
// more than a second, so that a pause stays as long as it was meant. A clock set
// forward only ends pauses early. On PostgreSQL the clock is the database's.
func (r *Relay) followClock(ctx context.Context, step time.Duration) error {
	if step > -time.Second || r.store.Postgres() {
		return nil
	}
	now, err := r.clock(ctx)
	if err != nil {
		return err
	}
	err = r.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE lane SET
			not_before = CASE WHEN not_before > $1 THEN not_before + $2 ELSE not_before END,
			due_at = CASE WHEN due_at > $1 AND NOT (lease_owner IS NULL AND `+scheduledLane+`) THEN due_at + $2 ELSE due_at END
			WHERE not_before > $1 OR due_at > $1`, now.UnixMilli(), step.Milliseconds())
		return err
	})
	if err != nil {
		return fmt.Errorf("move pauses: %w", err)
	}
	r.shares.forget()
	r.nudge()
	r.log.Warn("clock was set back", "step", step.String())
	return nil
}

// clockStep is how far the wall clock was set between two readings of
// [time.Now]: what it went on, less what went by on the monotonic clock, which
// nobody sets.
func clockStep(before, after time.Time) time.Duration {
	return after.Round(0).Sub(before.Round(0)) - after.Sub(before)
}
