package notifyhook

import (
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"time"
)

// ErrNotFound is: the route has no such notification, or not any more.
var ErrNotFound = errors.New("no such notification")

// Notification is what an application asked for, and what became of it. The
// text is not in it: whoever may read a state need not read the message.
type Notification struct {
	ID         string          `json:"id"`
	Route      string          `json:"route"` // host
	Key        string          `json:"key,omitempty"`
	Type       string          `json:"type,omitempty"`
	Status     string          `json:"status"`               // scheduled | queued | sent | partial | failed | cancelled | suppressed
	Credential string          `json:"credential,omitempty"` // by which it came: KIND:ID
	ReplayOf   string          `json:"replay_of,omitempty"`  // id of the notification that this one repeats
	AcceptedAt time.Time       `json:"accepted_at"`
	SendAt     *time.Time      `json:"send_at,omitempty"`
	ExpiresAt  time.Time       `json:"expires_at"`
	FinishedAt *time.Time      `json:"finished_at,omitempty"`
	Meta       json.RawMessage `json:"meta,omitempty"`
	Recipients []Delivery      `json:"recipients"`
}

// Delivery is one recipient's part of a notification.
type Delivery struct {
	To                string     `json:"to"`
	State             string     `json:"state"` // queued | sending | sent | dead | cancelled | suppressed
	Attempts          int        `json:"attempts"`
	PossibleDuplicate bool       `json:"possible_duplicate,omitempty"`
	Error             string     `json:"error,omitempty"` // Slack's error name, or a constant word of ours
	Channel           string     `json:"channel,omitempty"`
	TS                string     `json:"ts,omitempty"`
	InsteadOf         string     `json:"instead_of,omitempty"`  // the recipient whose fallback this one is
	MergedInto        string     `json:"merged_into,omitempty"` // id of the notification whose message holds this one's text
	DueAt             time.Time  `json:"due_at,omitzero"`       // when it might first be sent: accepted, or as asked
	ResolvedAt        *time.Time `json:"resolved_at,omitempty"` // when the conversation was known that it goes to
	BegunAt           *time.Time `json:"begun_at,omitempty"`    // of the first attempt
	NextAt            *time.Time `json:"next_at,omitempty"`     // earliest next try of its lane
	FinishedAt        *time.Time `json:"finished_at,omitempty"`
	History           []Attempt  `json:"history,omitzero"` // nil: not asked for

	id, insteadOf string
	tried         bool // there are attempts, whether or not History has them
}

// Attempt is one call to Slack.
type Attempt struct {
	N       int        `json:"n"` // from 1
	BegunAt time.Time  `json:"begun_at"`
	EndedAt *time.Time `json:"ended_at,omitempty"`
	Method  string     `json:"method,omitempty"`   // of Slack's Web API
	Outcome string     `json:"outcome,omitempty"`  // a word of ours; empty: under way, or never told
	Error   string     `json:"error,omitempty"`    // Slack's error name, or a constant word of ours
	AgainAt *time.Time `json:"again_at,omitempty"` // when it was to be tried again; missing: it was not
}

// asAccepted is a notification as it is shown right after it was accepted. It
// is made without a look at the store, which may fail after the commit.
func (q request) asAccepted(id string, now time.Time) Notification {
	v := Notification{ID: id, Key: q.Key}
	begins := q.begins(now)
	if begins.After(now) {
		v.SendAt = &begins
	}
	for _, to := range q.To {
		d := Delivery{To: to, State: "queued", DueAt: begins, NextAt: &begins}
		if q.suppresses(to) {
			d.State = "suppressed"
		}
		v.Recipients = append(v.Recipients, d)
	}
	if v.Status = v.openStatus(); !slices.ContainsFunc(v.Recipients, func(d Delivery) bool { return d.State != "suppressed" }) {
		v.Status = "suppressed"
	}
	return v
}

// arrange puts deliveries in the order of the recipients asked for, each with
// its fallbacks behind it.
func arrange(list []Delivery, asked []string) []Delivery {
	place := func(d Delivery) int {
		if i := slices.Index(asked, d.To); i >= 0 {
			return i
		}
		return len(asked)
	}
	slices.SortStableFunc(list, func(a, b Delivery) int { return place(a) - place(b) })
	out := make([]Delivery, 0, len(list))
	var with func(Delivery)
	with = func(d Delivery) {
		out = append(out, d)
		for _, next := range list {
			if next.insteadOf == d.id {
				with(next)
			}
		}
	}
	for _, d := range list {
		if !slices.ContainsFunc(list, func(o Delivery) bool { return o.id == d.insteadOf }) {
			with(d)
		}
	}
	return out
}

// openStatus is the status of a notification that is not finished.
func (v Notification) openStatus() string {
	if v.isScheduled() {
		return "scheduled"
	}
	return "queued"
}

// isScheduled says that all of it still waits for its send_at.
func (v Notification) isScheduled() bool {
	if v.SendAt == nil {
		return false
	}
	open := 0
	for _, d := range v.Recipients {
		if d.State == "suppressed" {
			continue
		}
		if d.State != "queued" || d.tried || d.NextAt == nil || d.NextAt.Before(*v.SendAt) {
			return false
		}
		open++
	}
	return open > 0
}

func moment(ms int64) *time.Time { return new(time.UnixMilli(ms).UTC()) }

func nullMoment(ms sql.NullInt64) *time.Time {
	if !ms.Valid {
		return nil
	}
	return moment(ms.Int64)
}
