package admin

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/cocoom/cocoom-gateway/notifyhook"
)

// maxReason bounds an error's name, in bytes.
const maxReason = 100

// listNotifications is GET /notifications.
func (cfg Config) listNotifications(ctx context.Context, query url.Values) (notifyhook.Page, error) {
	q := notifyhook.Query{Route: query.Get("route"), Key: query.Get("key"), To: query.Get("to"), Status: query.Get("status"), Cursor: query.Get("cursor")}
	err := onlyKnown(query, "route", "key", "to", "status", "since", "until", "cursor", "limit")
	if err == nil {
		q.Since, err = timeOf(query, "since")
	}
	if err == nil {
		q.Until, err = timeOf(query, "until")
	}
	if err == nil {
		q.Limit, err = limitOf(query, 100)
	}
	if err != nil {
		return notifyhook.Page{}, err
	}
	return cfg.Relay.List(ctx, q)
}

// inputTime is how browsers send the time of a form's field; here it is UTC
// (https://html.spec.whatwg.org/#valid-normalised-local-date-and-time-string).
const inputTime = "2006-01-02T15:04"

// timeOf reads a time of a query; zero: it is not said.
func timeOf(query url.Values, name string) (time.Time, error) {
	text := query.Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range [...]string{time.RFC3339, inputTime, inputTime + ":05"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, mistake(name + " must be a time such as 2026-11-24T08:00:00Z")
}

// showNotification is GET /notifications/{id}.
func (cfg Config) showNotification(ctx context.Context, id string) (notifyhook.Explained, error) {
	return cfg.Relay.Explain(ctx, id)
}

// Replay is the body of POST /notifications/replay: ID, or Route and Failed.
type Replay struct {
	Operator
	ID     string `json:"id,omitempty"`
	All    bool   `json:"all,omitempty"`    // with ID: to those of its recipients too who got it
	Route  string `json:"route,omitempty"`  // a host
	Failed bool   `json:"failed,omitempty"` // all of the route that failed, at most 500 at a time
	Error  string `json:"error,omitempty"`  // with Failed: only what failed by that error, such as not_in_channel
}

func (r Replay) validate() error {
	switch {
	case r.Operator.validate() != nil:
		return r.Operator.validate()
	case r.ID != "" && (r.Failed || r.Error != ""), r.ID == "" && (!r.Failed || r.Route == "" || r.All):
		return mistake("say one notification, or a route and that all that failed is meant")
	case len(r.Error) > maxReason:
		return mistake("no error has such a long name")
	}
	return nil
}

// replay is POST /notifications/replay. What was done before an error is audited
// all the same.
func (cfg Config) replay(ctx context.Context, r Replay) (notifyhook.Replays, error) {
	if r.ID != "" {
		id, err := cfg.Relay.Replay(ctx, r.Route, r.ID, r.All)
		if err != nil {
			return notifyhook.Replays{}, err
		}
		return notifyhook.Replays{Replayed: []notifyhook.Replayed{{ID: r.ID, New: id}}},
			cfg.Gateway.Audit(ctx, r.By, "notifications.replayed", r.ID+" as "+id)
	}
	done, err := cfg.Relay.ReplayFailed(ctx, r.Route, r.Error)
	if len(done.Replayed) > 0 {
		what := fmt.Sprintf("%d failed on %s", len(done.Replayed), r.Route)
		if r.Error != "" {
			what += " by " + r.Error
		}
		err = errors.Join(err, cfg.Gateway.Audit(ctx, r.By, "notifications.replayed", what))
	}
	return done, err
}

// Failures is the answer of GET /notifications/failures.
type Failures struct {
	Route    string               `json:"route"`
	Failures []notifyhook.Failure `json:"failures"` // what a replay of all that failed would send, by error
}

// failures is GET /notifications/failures?route=.
func (cfg Config) failures(ctx context.Context, query url.Values) (Failures, error) {
	if err := onlyKnown(query, "route"); err != nil {
		return Failures{}, err
	}
	route := query.Get("route")
	if route == "" {
		return Failures{}, mistake("say a route")
	}
	list, err := cfg.Relay.Failures(ctx, route)
	return Failures{route, list}, err
}

// Cancel is the body of POST /notifications/cancel.
type Cancel struct {
	Operator
	ID string `json:"id"`
}

// Cancelled is what came of it.
type Cancelled struct {
	Cancelled int `json:"cancelled"` // messages that were not on their way yet
}

// cancel is POST /notifications/cancel.
func (cfg Config) cancel(ctx context.Context, c Cancel) (Cancelled, error) {
	ended, err := cfg.Relay.Cancel(ctx, c.ID)
	if err == nil && ended > 0 {
		err = cfg.Gateway.Audit(ctx, c.By, "notifications.cancelled", c.ID)
	}
	return Cancelled{ended}, err
}
