package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"

	"github.com/cocoom/cocoom-gateway/gateway"
)

// maxRequest bounds the body of a request.
const maxRequest = 16 << 10

// SessionList is the answer of GET /sessions.
type SessionList struct {
	Sessions []gateway.SessionInfo `json:"sessions"`       // the latest sign-in first
	Next     string                `json:"next,omitempty"` // the cursor of what follows; missing: nothing does
}

// RevokeRequest is the body of POST /sessions/revoke: Session, or Person and
// Route or one of them, or All.
type RevokeRequest struct {
	Session string `json:"session,omitempty"` // an id, or the beginning that no other has
	Person  string `json:"person,omitempty"`  // an e-mail address or a Slack id
	Route   string `json:"route,omitempty"`   // a host
	All     bool   `json:"all,omitempty"`
	Reason  string `json:"reason,omitempty"` // for the audit table
}

// RevokeAnswer is what came of it.
type RevokeAnswer struct {
	Ended int `json:"ended"` // sessions
}

// Failure is the body of every answer that is none of the above.
type Failure struct {
	Error string `json:"error"`
}

// listSessions is GET /sessions?route=&person=&cursor=&limit=.
func (cfg Config) listSessions(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit, err := 0, error(nil)
	if text := q.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 {
			answer(w, http.StatusBadRequest, Failure{"limit must be a number from 1 to 500"})
			return
		}
	}
	list, next, err := cfg.Gateway.Sessions(r.Context(), gateway.SessionQuery{
		Route: q.Get("route"), Person: q.Get("person"), Cursor: q.Get("cursor"), Limit: limit,
	})
	if err != nil {
		cfg.fail(w, err)
		return
	}
	answer(w, http.StatusOK, SessionList{list, next})
}

// revokeSessions is POST /sessions/revoke.
func (cfg Config) revokeSessions(w http.ResponseWriter, r *http.Request) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		// A form of another site cannot send this type without asking first.
		answer(w, http.StatusUnsupportedMediaType, Failure{"the body must be application/json"})
		return
	}
	var asked RevokeRequest
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	body.DisallowUnknownFields() // a misspelt route must not mean every route
	if err := body.Decode(&asked); err != nil || body.More() {
		answer(w, http.StatusBadRequest, Failure{"the body must be one object with session, person, route, all, reason"})
		return
	}
	ended, err := cfg.Gateway.Revoke(r.Context(), gateway.Revocation{
		Session: asked.Session, Person: asked.Person, Route: asked.Route, All: asked.All, Reason: asked.Reason, Actor: "operator",
	})
	if err != nil {
		cfg.fail(w, err)
		return
	}
	answer(w, http.StatusOK, RevokeAnswer{ended})
}

// fail tells an operator's mistake from the store's trouble.
func (cfg Config) fail(w http.ResponseWriter, err error) {
	if errors.Is(err, gateway.ErrSelection) {
		answer(w, http.StatusBadRequest, Failure{err.Error()})
		return
	}
	cfg.Log.Error("an operator's request failed", "error", err)
	answer(w, http.StatusServiceUnavailable, Failure{"the store does not answer; the gateway's log says why"})
}

// notBrowsers keeps pages of the web away from h: one that has its own name
// resolve to this machine (DNS rebinding) asks under that name, and one of
// another site says where it comes from. The commands name an address.
func notBrowsers(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := plain(r); err != nil {
			answer(w, http.StatusForbidden, Failure{err.Error()})
			return
		}
		h(w, r)
	}
}

func plain(r *http.Request) error {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if _, err := netip.ParseAddr(trimBrackets(host)); err != nil && host != "localhost" {
		return fmt.Errorf("ask by an IP address or localhost, not by the name %.100q", host)
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || u.Host != r.Host {
			return errors.New("this is not for pages of other sites")
		}
	}
	return nil
}

func trimBrackets(host string) string {
	if len(host) > 1 && host[0] == '[' && host[len(host)-1] == ']' {
		return host[1 : len(host)-1]
	}
	return host
}
