package admin

import (
	"context"
	"net/url"

	"github.com/cocoom/cocoom-gateway/gateway"
)

// SessionList is the answer of GET /sessions.
type SessionList struct {
	Sessions []gateway.SessionInfo `json:"sessions"`       // the latest sign-in first
	Next     string                `json:"next,omitempty"` // the cursor of what follows; missing: nothing does
}

// listSessions is GET /sessions?route=&person=&cursor=&limit=.
func (cfg Config) listSessions(ctx context.Context, query url.Values) (SessionList, error) {
	limit, err := limitOf(query, 500)
	if err != nil {
		return SessionList{}, err
	}
	list, next, err := cfg.Gateway.Sessions(ctx, gateway.SessionQuery{
		Route: query.Get("route"), Person: query.Get("person"), Cursor: query.Get("cursor"), Limit: limit,
	})
	return SessionList{list, next}, err
}

// Revoke is the body of POST /sessions/revoke: Session, or Person and Route or
// one of them, or All.
type Revoke struct {
	Operator
	Session string `json:"session,omitempty"` // an id, or the beginning that no other has
	Person  string `json:"person,omitempty"`  // an e-mail address or a Slack id
	Route   string `json:"route,omitempty"`   // a host
	All     bool   `json:"all,omitempty"`
	Reason  string `json:"reason,omitempty"` // for the audit
}

// Revoked is what came of it.
type Revoked struct {
	Ended int `json:"ended"` // sessions
}

// revokeSessions is POST /sessions/revoke.
func (cfg Config) revokeSessions(ctx context.Context, r Revoke) (Revoked, error) {
	ended, err := cfg.Gateway.Revoke(ctx, gateway.Revocation{
		Session: r.Session, Person: r.Person, Route: r.Route, All: r.All, Reason: r.Reason, Actor: r.By,
	})
	return Revoked{ended}, err
}
