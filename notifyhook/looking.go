package notifyhook

import (
	"context"
	"fmt"
	"time"
)

// nearby is how many rows, the next ones by seq, are looked along before an index
// of all routes is asked: it has no order by time alone, so it reads all that it
// finds, and of what is frequent that would be much. Whatever is more than a
// percent or two is met nearby, and of the rest there is little.
const nearby = 4000

// lookThrough returns the next notifications that a listing selects, and moves on.
// more says that others may follow.
func (r *Relay) lookThrough(ctx context.Context, l *listing) (list []listed, more bool, err error) {
	limit := l.Limit + 1
	if !l.exact {
		limit = maxLooked / 4
	}
	rows, err := r.lookNearby(ctx, *l, limit)
	if err == nil && len(rows) < limit {
		rows, err = r.look(ctx, *l, limit)
	}
	if err != nil {
		return nil, false, fmt.Errorf("list notifications: %w", err)
	}
	for _, one := range rows {
		if one.accepted.Before(l.Since) {
			return list, false, nil // as are all that follow: seq goes with the time
		}
		l.before = one.seq
		if !one.passed && (l.Until.IsZero() || one.accepted.Before(l.Until)) {
			list = append(list, one)
		}
	}
	return list, len(rows) == limit, nil
}

// lookNearby finds what is frequent without an index. It gives fewer than limit,
// and perhaps not all there are, where an index has to be asked.
func (r *Relay) lookNearby(ctx context.Context, l listing, limit int) ([]listed, error) {
	if l.Route != "" || l.Key != "" || l.to == "" && (l.Status == "" || l.Status == "sent" || l.Status == "scheduled") {
		return nil, nil
	}
	table := "notification"
	if l.order == 'd' {
		table = "delivery"
	}
	var next int64
	if err := r.store.Read().QueryRowContext(ctx, `SELECT COALESCE(MAX(seq), 0) FROM `+table+` WHERE seq < $1`, l.before).Scan(&next); err != nil {
		return nil, err
	}
	l.after = max(1, next-nearby)
	return r.look(ctx, l, limit)
}

// look asks the store once.
func (r *Relay) look(ctx context.Context, l listing, limit int) (list []listed, err error) {
	query, args := l.sql(limit)
	rows, err := r.store.Read().QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var one listed
		var accepted int64
		var passed int // over: not 0
		if err := rows.Scan(&one.seq, &one.id, &one.status, &accepted, &passed); err != nil {
			return nil, err
		}
		one.accepted, one.passed = time.UnixMilli(accepted), passed != 0
		list = append(list, one)
	}
	return list, rows.Err()
}
