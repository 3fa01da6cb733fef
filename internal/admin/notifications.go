package admin

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/cocoom/cocoom-gateway/notifyhook"
)

// maxReason bounds an error's name, in bytes.
const maxReason = 100

// listNotifications is GET /notifications. A filter that is not known is a
// mistake: it would list what was not asked for.
func (cfg Config) listNotifications(ctx context.Context, query url.Values) (any, error) {
	q := notifyhook.Query{Route: query.Get("route"), Key: query.Get("key"), To: query.Get("to"), Status: query.Get("status"), Cursor: query.Get("cursor")}
	for name := range query {
		if !slices.Contains([]string{"route", "key", "to", "status", "since", "cursor", "limit"}, name) {
			return nil, mistake(fmt.Sprintf("there is no filter %.50q", name))
		}
	}
	var err error
	if text := query.Get("since"); text != "" {
		if q.Since, err = time.Parse(time.RFC3339, text); err != nil {
			return nil, mistake("since must be a time such as 2026-11-24T08:00:00Z")
		}
	}
	if text := query.Get("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 {
			return nil, mistake("limit must be a number from 1 to 100")
		}
	}
	page, err := cfg.Relay.List(ctx, q)
	if wrong, ok := errors.AsType[*notifyhook.QueryError](err); ok {
		return nil, mistake(wrong.Error())
	}
	return page, err
}

// showNotification is GET /notifications/{id}.
func (cfg Config) showNotification(ctx context.Context, id string) (any, error) {
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
func (cfg Config) replay(ctx context.Context, r Replay) (any, error) {
	if r.ID != "" {
		id, err := cfg.Relay.Replay(ctx, r.Route, r.ID, r.All)
		if err != nil {
			return nil, err
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
