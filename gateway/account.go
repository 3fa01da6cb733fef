package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

const (
	// maxOwnSessions is how many sessions the account page lists.
	maxOwnSessions = 20
	// rosterTime is how long the account page waits for the list. It is as good
	// without.
	rosterTime = time.Second
)

// account is the "signed in as" page at the reserved prefix.
func (g *Gateway) account(x *exchange, c echo.Context) error {
	r, rt := c.Request(), x.route
	if x.session = g.sessions.open(rt, r); x.session == nil {
		return g.askToSignIn(x, c)
	}
	l := lang(r)
	t, id := textFor(l, "account", rt), x.session.identity
	facts := []fact{
		{labels[l]["name"], id.Name}, {labels[l]["email"], id.Email}, {labels[l]["workspace"], rt.workspace()},
		{labels[l]["until"], moment(x.session.ends, l)},
	}
	if id.Name == "" {
		facts = facts[1:]
	}
	return x.show(r, http.StatusOK, page{Title: t.Title, Text: t.Text, Facts: facts,
		Link: "/", LinkLabel: t.Link, Post: g.cfg.Prefix + "/sign-out", PostLabel: labels[l]["sign_out"],
		Sessions: g.ownSessions(x, r), SessionsLabel: labels[l]["sessions"],
		PostAll: g.cfg.Prefix + "/sign-out-everywhere", PostAllLabel: labels[l]["sign_out_everywhere"]})
}

// me tells a page's scripts who is signed in; never a token.
func (g *Gateway) me(x *exchange, c echo.Context) error {
	if x.session = g.sessions.open(x.route, c.Request()); x.session == nil {
		return g.signInFor(x, errSignIn, "/")
	}
	id := x.session.identity
	x.ownHeaders("application/json")
	return c.JSON(http.StatusOK, struct {
		Team      string   `json:"team_id"`
		User      string   `json:"user_id"`
		Email     string   `json:"email"`
		Name      string   `json:"name"`
		Groups    []string `json:"groups,omitempty"`
		Guest     bool     `json:"guest"`
		Admin     bool     `json:"admin"`
		ExpiresAt int64    `json:"expires_at"` // Unix seconds
	}{id.Team, id.User, id.Email, id.Name, id.Groups, id.Guest, id.Admin, x.session.ends.Unix()})
}

// ownSession is a person's session as the account page shows it.
type ownSession struct {
	Device, Seen string
	This         bool // the one that asks
}

// ownSessions lists the sessions of who asks, on this route. It is empty while
// the store cannot say.
func (g *Gateway) ownSessions(x *exchange, r *http.Request) []ownSession {
	ctx, cancel := context.WithTimeout(r.Context(), rosterTime)
	defer cancel()
	id, now := x.session.identity, g.cfg.Now()
	rows, err := g.sessionRows(ctx, whose{route: x.route.Host, team: id.Team, user: id.User}, cursor{begun: 1 << 62}, maxOwnSessions)
	if err != nil {
		g.cfg.Log.Warn("a person's sessions cannot be listed", "request_id", x.id, "error", err)
		return nil
	}
	var list []ownSession
	for _, s := range rows {
		own := ownSession{Device: deviceIn(lang(r), s.Device), Seen: ago(lang(r), now.Sub(s.LastSeen)), This: s.ID == x.session.sum.String()}
		if own.This {
			own.Seen = labels[lang(r)]["this_one"]
		}
		list = append(list, own)
	}
	return list
}
