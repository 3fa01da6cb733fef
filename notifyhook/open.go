package notifyhook

import (
	"context"
	"fmt"

	"time"

	"github.com/cocoom/cocoom-gateway/internal/store"
)

// Open is how much of a route's waits to be delivered.
type Open struct {
	Route      string
	Deliveries int
	// Oldest is when the one that has waited longest might first have been sent;
	// zero: none is due yet.
	Oldest time.Time
}

// OpenDeliveries lists the routes whose deliveries wait, also those that are not
// configured any more. It reads an entry of an index for each delivery that does.
func OpenDeliveries(ctx context.Context, st *store.Store) ([]Open, error) {
	now, err := st.Now(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := st.Read().QueryContext(ctx, `SELECT route, COUNT(*), COALESCE(MIN(CASE WHEN due_at <= $1 THEN due_at END), 0)
		FROM delivery WHERE state IN ('queued', 'sending') GROUP BY route ORDER BY route`, now.UnixMilli())
	if err != nil {
		return nil, store.Classify(fmt.Errorf("count open deliveries: %w", err))
	}
	defer rows.Close()
	var list []Open
	for rows.Next() {
		var one Open
		var oldest int64
		if err := rows.Scan(&one.Route, &one.Deliveries, &oldest); err != nil {
			return nil, fmt.Errorf("count open deliveries: %w", err)
		}
		if oldest > 0 {
			one.Oldest = time.UnixMilli(oldest)
		}
		list = append(list, one)
	}
	if err := rows.Err(); err != nil {
		return nil, store.Classify(fmt.Errorf("count open deliveries: %w", err))
	}
	return list, nil
}

// MaxOpen is how many deliveries may wait before no more are accepted.
func (l Limits) MaxOpen() int {
	if l.Backlog == 0 {
		return defaultBacklog
	}
	return l.Backlog
}
