package notifyhook

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

const (
	defaultRetention = 7 * 24 * time.Hour
	minRetention     = 24 * time.Hour      // and more than twice the tolerance of a signature: a replayed request is known
	failedRetention  = 30 * 24 * time.Hour // at least: somebody may still ask, and replay
	laneRetention    = 24 * time.Hour      // far longer than any pace or pause
	entityRetention  = 90 * 24 * time.Hour
	pruneBatch       = 100 // rows deleted in one transaction
	prunePage        = 500 // rows looked at in one query
	prunePages       = 20  // in one sweep
)

// pruning is how far notifications have been looked through for old ones. Those
// that are kept longer than others are passed over once in a round, not once in
// a sweep.
type pruning struct{ finished, seq int64 }

// finishedQuery lists finished notifications, the oldest first, from the one
// after ($1, $2) on.
const finishedQuery = `SELECT seq, route, status, replay_of IS NOT NULL, finished_at FROM notification
	WHERE finished_at IS NOT NULL AND finished_at >= $1 AND finished_at <= $3 AND (finished_at > $1 OR seq > $2) ORDER BY finished_at, seq LIMIT $4`

// pruneNotifications deletes what was finished longer ago than its route keeps
// it, with its deliveries and their attempts. The key is forgotten with it.
func (r *Relay) pruneNotifications(ctx context.Context) error {
	now, err := r.clock(ctx)
	if err != nil {
		return err
	}
	for range prunePages {
		old, end, err := r.oldNotifications(ctx, now)
		if err != nil {
			return err
		}
		for len(old) > 0 && ctx.Err() == nil {
			n := min(len(old), pruneBatch)
			if err := r.deleteNotifications(ctx, old[:n]); err != nil {
				return err
			}
			old = old[n:]
		}
		if end || ctx.Err() != nil {
			break
		}
	}
	return nil
}

// oldNotifications looks through a page. end says that it was the last one; the
// next begins from the start.
func (r *Relay) oldNotifications(ctx context.Context, now time.Time) (old []any, end bool, err error) {
	rows, err := r.store.Read().QueryContext(ctx, finishedQuery, r.pruned.finished, r.pruned.seq, now.Add(-minRetention).UnixMilli(), prunePage)
	if err != nil {
		return nil, false, fmt.Errorf("list old notifications: %w", err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var host, status string
		var isReplay bool
		if err := rows.Scan(&r.pruned.seq, &host, &status, &isReplay, &r.pruned.finished); err != nil {
			return nil, false, fmt.Errorf("list old notifications: %w", err)
		}
		if r.keptFor(host, status, isReplay) <= now.Sub(time.UnixMilli(r.pruned.finished)) {
			old = append(old, r.pruned.seq)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, false, fmt.Errorf("list old notifications: %w", err)
	}
	if end = n < prunePage; end {
		r.pruned = pruning{}
	}
	return old, end, nil
}

// keptFor is how long a notification of the route is kept once it is finished.
// A replay says of a failure that it was mended (see ReplayFailed), so it is kept
// as long.
func (r *Relay) keptFor(host, status string, isReplay bool) time.Duration {
	kept := defaultRetention
	if rt := r.routes()[host]; rt != nil {
		kept = rt.Retention
	}
	if isReplay || status == "failed" || status == "partial" {
		kept = max(kept, failedRetention)
	}
	return kept
}

func (r *Relay) deleteNotifications(ctx context.Context, seqs []any) error {
	var args params
	list := addAll(&args, seqs)
	return r.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		// #nosec G202 -- what is joined is placeholders and conditions of our own, never a value
		_, err := tx.ExecContext(ctx, `DELETE FROM notification WHERE seq IN (SELECT seq FROM notification WHERE seq IN (`+list+`)
			AND finished_at IS NOT NULL `+r.store.SkipLocked()+`)`, args...)
		if err != nil {
			return fmt.Errorf("delete old notifications: %w", err)
		}
		return nil
	})
}

// pruneLanes deletes lanes that have had nothing queued for a day. Whoever
// queues something at that moment holds the lane's lock, and it stays.
func (r *Relay) pruneLanes(ctx context.Context) error {
	return r.pruneTable(ctx, laneRetention, `DELETE FROM lane WHERE lane IN (SELECT lane FROM lane
		WHERE due_at IS NULL AND not_before < $1 ORDER BY not_before LIMIT $2 `+r.store.SkipLocked()+`)`)
}

// pruneEntities deletes what stands for things that nothing was said of for long:
// the next word begins a new thread.
func (r *Relay) pruneEntities(ctx context.Context) error {
	return r.pruneTable(ctx, entityRetention, `DELETE FROM entity WHERE (lane, route, entity) IN (SELECT lane, route, entity FROM entity
		WHERE changed_at < $1 ORDER BY changed_at LIMIT $2 `+r.store.SkipLocked()+`)`)
}

// pruneTable deletes in batches. The query gets the moment before which rows are
// old, and how many to delete.
func (r *Relay) pruneTable(ctx context.Context, kept time.Duration, query string) error {
	now, err := r.clock(ctx)
	if err != nil {
		return err
	}
	for n := int64(pruneBatch); n == pruneBatch && ctx.Err() == nil; {
		err := r.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
			result, err := tx.ExecContext(ctx, query, now.Add(-kept).UnixMilli(), pruneBatch)
			if err != nil {
				return fmt.Errorf("delete old rows: %w", err)
			}
			n, err = result.RowsAffected()
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
