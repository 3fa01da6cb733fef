package notifyhook

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
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
	after  int64  // seq from where on it is looked along all; 0: the index is asked
	exact  bool   // what is looked at finds nothing else
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
	l.exact = l.Status == "" || l.to == "" && l.Key == "" && l.Status != "scheduled"
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
	seq      int64
	id       string
	status   string // as stored: what is scheduled is queued
	accepted time.Time
	passed   bool // the same notification has another place, further up
}

func idsOf(list []listed) []string {
	var ids []string
	for _, one := range list {
		ids = append(ids, one.id)
	}
	return ids
}

// stored is the status by which the rows of a wanted one are found.
func (l listing) stored() string {
	if l.Status == "scheduled" {
		return "queued"
	}
	return l.Status
}

// beginListing finds where a list begins that has an end in time.
func (r *Relay) beginListing(ctx context.Context, l *listing) error {
	if l.Until.IsZero() || l.Cursor != "" {
		return nil
	}
	table := "notification"
	if l.order == 'd' {
		table = "delivery"
	}
	var err error
	if l.before, err = r.seqAt(ctx, table, l.Until); err != nil {
		return fmt.Errorf("find the end of a list: %w", err)
	}
	return nil
}

// seqAt is a seq of a table before which all was accepted before a time. Since
// seq goes with the time, halving finds it, and no index is needed. Where a clock
// was set back or a fallback came late it may be too great, never too small by
// more than those.
func (r *Relay) seqAt(ctx context.Context, table string, at time.Time) (int64, error) {
	var low, high int64
	db := r.store.Read()
	if err := db.QueryRowContext(ctx, `SELECT COALESCE((SELECT MIN(seq) FROM `+table+`), 0), COALESCE((SELECT MAX(seq) FROM `+table+`), 0) + 1`).Scan(&low, &high); err != nil {
		return 0, err
	}
	for low < high {
		middle := low + (high-low)/2
		var seq, accepted int64
		err := db.QueryRowContext(ctx, `SELECT seq, accepted_at FROM `+table+` WHERE seq >= $1 ORDER BY seq LIMIT 1`, middle).Scan(&seq, &accepted)
		switch {
		case errors.Is(err, sql.ErrNoRows): // they were removed meanwhile
			high = middle
		case err != nil:
			return 0, err
		case time.UnixMilli(accepted).Before(at):
			low = seq + 1
		default:
			high = middle
		}
	}
	return low, nil
}

// sql chooses the index that fits best; the rest is left to List.
func (l listing) sql(limit int) (string, []any) {
	args := params{l.before, limit}
	from, seq, passed, where := "notification n", "n.seq", "0", ""
	if l.to != "" {
		// A fallback may bring a notification to one recipient twice.
		from, seq = "delivery d JOIN notification n ON n.id = d.notification_id", "d.seq"
		passed = `(SELECT COUNT(*) FROM delivery o WHERE o.notification_id = d.notification_id AND o.recipient = d.recipient AND o.seq > d.seq)`
	}
	order := seq
	if l.Route != "" {
		where += " AND " + strings.TrimSuffix(seq, "seq") + "route = " + args.add(l.Route)
	}
	switch {
	case l.to != "":
		where += l.toOne(&args)
	case l.Key == "" && l.Status != "":
		where += l.withStatus(&args)
	}
	if l.Key != "" {
		where += " AND n.idem_key = " + args.add(l.Key)
	}
	if l.Key != "" || l.to == "" && l.Status == "scheduled" {
		order += " + 0" // or PostgreSQL may go through all of them by seq, hoping to meet some soon
	}
	bound := seq
	if strings.Contains(where, " IN (") {
		bound += " + 0" // or SQLite goes along seq and asks of each whether it is among them
	}
	return "SELECT " + seq + ", n.id, n.status, n.accepted_at, " + passed + " FROM " + from + " WHERE " + bound + " < $1" + where + " ORDER BY " + order + " DESC LIMIT $2", args
}

// toOne is the condition on deliveries d for one recipient.
func (l listing) toOne(args *params) string {
	to := args.add(l.to)
	switch {
	case l.after > 0:
		return " AND d.seq > " + args.add(l.after) + " AND d.recipient || '' = " + to
	case l.Route != "" || l.Key != "":
		return " AND d.recipient = " + to
	}
	// All routes have a #general: found in the index alone, and no further than needed.
	return " AND d.seq IN (SELECT seq FROM delivery WHERE recipient = " + to + " AND seq < $1 ORDER BY seq + 0 DESC LIMIT $2)"
}

// withStatus is the condition on notifications n for a status.
func (l listing) withStatus(args *params) string {
	status := args.add(l.stored())
	switch {
	case l.Status == "scheduled":
		return " AND n.status = " + status + l.scheduled(args)
	case l.after > 0:
		return " AND n.seq > " + args.add(l.after) + " AND n.status || '' = " + status
	case l.Route != "":
		return " AND n.status = " + status
	case l.Status == "sent": // most are: the next are found along seq
		return " AND n.status || '' = " + status
	}
	return " AND n.seq IN (SELECT seq FROM notification WHERE status = " + status + " AND seq < $1 ORDER BY seq + 0 DESC LIMIT $2)"
}

// scheduled is the condition that something of n still waits for its time. The
// index has nothing else, and few do.
func (l listing) scheduled(args *params) string {
	of := ""
	if l.Route != "" {
		of = " AND route = " + args.add(l.Route)
	}
	return " AND n.id IN (SELECT notification_id FROM delivery WHERE state = 'queued' AND due_at > accepted_at" + of + ")"
}
