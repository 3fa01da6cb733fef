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
// the store let us in. Waits that only a clock set back in between explains are
// cut short; a lane without failures has just its pace to keep, since a restart
// tries anew. On PostgreSQL another replica may well be alive, so leases run out
// there, and the clock is the database's.
func (r *Relay) takeOver(ctx context.Context) error {
	if r.store.Postgres() {
		return nil
	}
	now, err := r.clock(ctx)
	if err != nil {
		return fmt.Errorf("clear old leases: %w", err)
	}
	err = r.store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE lane SET lease_owner = NULL,
			not_before = MIN(not_before, CASE failures WHEN 0 THEN $1 ELSE $2 END),
			due_at = CASE WHEN lease_owner IS NOT NULL THEN MIN(due_at, not_before) WHEN `+scheduledLane+` THEN due_at ELSE MIN(due_at, CASE failures WHEN 0 THEN $1 ELSE $2 END) END
			WHERE lease_owner IS NOT NULL OR not_before > $1 OR due_at > $1`, now.Add(pace).UnixMilli(), now.Add(longestWait).UnixMilli())
		return err
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("clear old leases: %w", err)
	}
	return nil
}

// scheduledLane is the SQL for claim.isWaiting. Such a lane is due when its
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
	err = r.store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE lane SET
			not_before = CASE WHEN not_before > $1 THEN not_before + $2 ELSE not_before END,
			due_at = CASE WHEN due_at > $1 AND NOT (lease_owner IS NULL AND `+scheduledLane+`) THEN due_at + $2 ELSE due_at END
			WHERE not_before > $1 OR due_at > $1`, now.UnixMilli(), step.Milliseconds())
		return err
	})
	if err != nil {
		return fmt.Errorf("move pauses: %w", err)
	}
	r.log.Warn("clock was set back", "step", step.String())
	return nil
}

// clockStep is how far the wall clock was set between two readings of
// [time.Now]: what it went on, less what went by on the monotonic clock, which
// nobody sets.
func clockStep(before, after time.Time) time.Duration {
	return after.Round(0).Sub(before.Round(0)) - after.Sub(before)
}
