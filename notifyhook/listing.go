package notifyhook

import (
	"context"
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// listing is a Query made ready: what is read, in which order, from where.
type listing struct {
	Query
	to     string // in its one spelling
	order  byte   // what the cursor counts: 'n' notifications, 'd' deliveries
	before int64  // seq of the last one looked at
	exact  bool   // the index finds nothing else
}

func newListing(q Query) (listing, error) {
	l := listing{Query: q, order: 'n', before: math.MaxInt64}
	if l.Limit == 0 {
		l.Limit = defaultPage
	}
	if l.Limit < 1 || l.Limit > maxPage {
		return l, &QueryError{"limit", fmt.Sprintf("must be 1 to %d", maxPage)}
	}
	if known := Statuses(); q.Status != "" && !slices.Contains(known, q.Status) {
		return l, &QueryError{"status", "must be one of " + strings.Join(known, ", ")}
	}
	if q.Key != "" && !keyForm.MatchString(q.Key) {
		return l, &QueryError{"key", "must match " + keyForm.String()}
	}
	if q.To != "" {
		kind, same := classify(strings.TrimSpace(q.To))
		if kind == unknownRecipient {
			return l, &QueryError{"to", "must be an e-mail address, a #channel, or a Slack id"}
		}
		l.to, l.order = same, 'd'
	}
	l.exact = l.Status == "" || l.Route != "" && l.to == "" && l.Key == ""
	if q.Cursor != "" {
		text, err := base64.RawURLEncoding.DecodeString(q.Cursor)
		if err != nil || len(text) < 2 || text[0] != l.order {
			return l, &QueryError{"cursor", "must be the next of a page of this same list"}
		}
		if l.before, err = strconv.ParseInt(string(text[1:]), 10, 64); err != nil {
			return l, &QueryError{"cursor", "must be the next of a page of this same list"}
		}
	}
	return l, nil
}

func (l listing) cursor(seq int64) string {
	return base64.RawURLEncoding.EncodeToString(strconv.AppendInt([]byte{l.order}, seq, 10))
}

// listed is a notification's place in a list.
type listed struct {
	seq    int64
	id     string
	status string // as stored: what is scheduled is queued
}

func idsOf(list []listed) []string {
	var ids []string
	for _, one := range list {
		ids = append(ids, one.id)
	}
	return ids
}

// lookThrough returns the next notifications that an index finds, and moves on. more
// says that others may follow.
func (r *Relay) lookThrough(ctx context.Context, l *listing) (list []listed, more bool, err error) {
	limit := l.Limit + 1
	if !l.exact {
		limit = maxLooked / 4
	}
	query, args := l.sql(limit)
	rows, err := r.store.Read().QueryContext(ctx, query, args...)
	if err != nil {
		return nil, false, fmt.Errorf("list notifications: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var one listed
		var accepted int64
		if err := rows.Scan(&one.seq, &one.id, &one.status, &accepted); err != nil {
			return nil, false, fmt.Errorf("list notifications: %w", err)
		}
		if time.UnixMilli(accepted).Before(l.Since) {
			return list, false, nil // as are all that follow: seq goes with the time
		}
		list = append(list, one)
		l.before = one.seq
	}
	if err := rows.Err(); err != nil {
		return nil, false, fmt.Errorf("list notifications: %w", err)
	}
	return list, len(list) == limit, nil
}

// stored is the status by which the rows of a wanted one are found.
func (l listing) stored() string {
	if l.Status == "scheduled" {
		return "queued"
	}
	return l.Status
}

// allRoutes are the routes that have notifications, found by one step each in an
// index, for queries whose own index begins with the route.
const allRoutes = `WITH RECURSIVE known (route) AS (SELECT MIN(route) FROM notification
	UNION ALL SELECT (SELECT MIN(n.route) FROM notification n WHERE n.route > known.route) FROM known WHERE known.route IS NOT NULL) `

// sql chooses the index that fits best; the rest is left to List.
func (l listing) sql(limit int) (string, []any) {
	args := params{l.before, limit}
	with, from, seq, where := "", "notification n", "n.seq", ""
	if l.to != "" {
		from, seq = "delivery d JOIN notification n ON n.id = d.notification_id", "d.seq"
	}
	order, routed := seq, strings.TrimSuffix(seq, "seq")+"route"
	switch {
	case l.Route != "":
		where += " AND " + routed + " = " + args.add(l.Route)
	case l.to != "" || l.Key != "":
		with, where = allRoutes, " AND "+routed+" IN (SELECT route FROM known)"
		order += " + 0" // or PostgreSQL would go through all of them by seq, hoping to meet some soon
	}
	if l.to != "" {
		// A fallback may bring a notification to one recipient twice. Counted and
		// not asked for by EXISTS, which PostgreSQL may turn into a join of all.
		where += " AND d.recipient = " + args.add(l.to) + ` AND 0 = (SELECT COUNT(*) FROM delivery o
			WHERE o.notification_id = d.notification_id AND o.recipient = d.recipient AND o.seq > d.seq)`
	}
	if l.Key != "" {
		where += " AND n.idem_key = " + args.add(l.Key)
	}
	if l.Status != "" && l.exact {
		where += " AND n.status = " + args.add(l.stored())
	}
	return with + "SELECT " + seq + ", n.id, n.status, n.accepted_at FROM " + from + " WHERE " + seq + " < $1" + where + " ORDER BY " + order + " DESC LIMIT $2", args
}
