package notifyhook

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
)

const (
	scanAtOnce  = 2000      // notifications looked at for one page
	exportBytes = 512 << 10 // of requests in one page, but for the last one's
	exportRows  = 200       // notifications in one page
)

// PersonExport is a page of what is kept of a person: notifications to them, and
// about what they did.
type PersonExport struct {
	Names         []string             `json:"names"`         // by which the person was looked for
	Conversations []string             `json:"conversations"` // ids of the direct ones with them
	Threads       []PersonThread       `json:"threads"`       // of those conversations; on the first page
	Notifications []PersonNotification `json:"notifications"` // oldest first
	Next          string               `json:"next,omitempty"`
}

// PersonThread is the message that stands for one thing of the application's in
// a conversation with the person.
type PersonThread struct {
	Entity    string    `json:"entity"`
	ChangedAt time.Time `json:"changed_at"`
}

// PersonNotification is one notification as it concerns a person.
type PersonNotification struct {
	ID         string                     `json:"id"`
	Type       string                     `json:"type,omitempty"`
	Status     string                     `json:"status"` // of all of it
	AcceptedAt time.Time                  `json:"accepted_at"`
	Actor      bool                       `json:"actor,omitempty"` // it tells of an act of theirs
	Request    map[string]json.RawMessage `json:"request"`         // as asked, without other people's names as recipients or actor
	Deliveries []Delivery                 `json:"deliveries"`      // to them
}

// scanned is a row of a route's notifications.
type scanned struct {
	seq      int64
	id       string
	kind     string
	status   string
	accepted int64
	request  string
	toThem   bool
}

// ExportPerson reads what is kept of a person on a route, a page at a time: the
// next one from the cursor that is Next of the last; "" is the first. names are
// the e-mail addresses and Slack user ids that the person is known by. The error is
// a [*QueryError], or the store's.
func (r *Relay) ExportPerson(ctx context.Context, host string, names []string, cursor string) (PersonExport, error) {
	page := PersonExport{Names: []string{}, Conversations: []string{}, Threads: []PersonThread{}, Notifications: []PersonNotification{}}
	from, err := strconv.ParseInt("0"+cursor, 10, 64)
	if err != nil {
		return page, &QueryError{"cursor", "must be one that an export gave"}
	}
	who, err := r.someone(ctx, host, names)
	if err != nil || len(who.names) == 0 {
		return page, err
	}
	page.Names = who.names
	for _, lane := range who.lanes {
		page.Conversations = append(page.Conversations, conversationOf(lane))
	}
	if cursor == "" {
		if page.Threads, err = r.threadsOf(ctx, who); err != nil {
			return page, err
		}
	}
	rows, err := r.scan(ctx, who, from)
	if err != nil {
		return page, err
	}
	size := 0
	for i, row := range rows {
		n, theirs, err := r.exported(ctx, who, row)
		if err != nil {
			return page, err
		}
		if theirs {
			page.Notifications = append(page.Notifications, n)
			size += len(row.request)
		}
		full := size >= exportBytes || len(page.Notifications) >= exportRows
		if full && i+1 < len(rows) || i+1 == scanAtOnce {
			page.Next = strconv.FormatInt(row.seq, 10)
			break
		}
	}
	return page, nil
}

// exported is a notification as it concerns somebody, and whether it does.
func (r *Relay) exported(ctx context.Context, who someone, row scanned) (n PersonNotification, theirs bool, err error) {
	if !row.toThem && !who.mayBeIn(row.request) {
		return n, false, nil
	}
	fields, _, err := keep(row.request, who.is)
	if err != nil { // what cannot be read concerns whom it is sent to
		fields = nil
	}
	n = PersonNotification{ID: row.id, Type: row.kind, Status: row.status, AcceptedAt: *moment(row.accepted), Actor: actorOf(fields) != "", Request: fields, Deliveries: []Delivery{}}
	if !row.toThem {
		return n, n.Actor || hasName(fields), nil
	}
	all, err := r.show(ctx, who.route, row.id)
	if err != nil {
		return n, false, err
	}
	for _, d := range all.Recipients {
		if !who.is(d.To) && !who.is(d.Channel) {
			continue
		}
		if !who.is(d.InsteadOf) {
			d.InsteadOf = ""
		}
		n.Deliveries = append(n.Deliveries, d)
	}
	return n, true, nil
}

// hasName says whether a request still names anybody in its lists.
func hasName(fields map[string]json.RawMessage) bool {
	return slices.ContainsFunc(lists[:], func(key string) bool { return len(listOf(fields, key)) > 0 })
}

// scan reads notifications of the person's route behind a place, oldest first.
func (r *Relay) scan(ctx context.Context, who someone, from int64) ([]scanned, error) {
	of, args := who.of()
	behind, most := args.add(from), args.add(scanAtOnce)
	rows, err := r.store.Read().QueryContext(ctx, `SELECT n.seq, n.id, n.type, n.status, n.accepted_at, n.request,
			EXISTS (SELECT 1 FROM delivery d WHERE d.notification_id = n.id AND `+of+`)
		FROM notification n WHERE n.route = $1 AND n.seq > `+behind+` ORDER BY n.seq LIMIT `+most, args...)
	if err != nil {
		return nil, fmt.Errorf("look through notifications: %w", err)
	}
	defer rows.Close()
	var list []scanned
	for rows.Next() {
		var s scanned
		if err := rows.Scan(&s.seq, &s.id, &s.kind, &s.status, &s.accepted, &s.request, &s.toThem); err != nil {
			return nil, fmt.Errorf("look through notifications: %w", err)
		}
		list = append(list, s)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("look through notifications: %w", err)
	}
	return list, nil
}

func (r *Relay) threadsOf(ctx context.Context, who someone) ([]PersonThread, error) {
	list := []PersonThread{}
	for _, lane := range who.lanes {
		rows, err := r.store.Read().QueryContext(ctx, `SELECT entity, changed_at FROM entity WHERE lane = $1 AND route = $2 ORDER BY entity`, lane, who.route)
		if err != nil {
			return nil, fmt.Errorf("read threads: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var t PersonThread
			var changed int64
			if err := rows.Scan(&t.Entity, &changed); err != nil {
				return nil, fmt.Errorf("read threads: %w", err)
			}
			t.ChangedAt = *moment(changed)
			list = append(list, t)
		}
		if err := rows.Err(); err != nil {
			return nil, fmt.Errorf("read threads: %w", err)
		}
	}
	return list, nil
}
