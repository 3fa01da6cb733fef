package gateway

import (
	"net/http"

	"github.com/labstack/echo/v4"
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

// confirmSignOut asks before signing out: a link may not change anything.
func (g *Gateway) confirmSignOut(x *exchange, c echo.Context) error {
	r, l := c.Request(), lang(c.Request())
	if x.session = g.sessions.open(x.route, r); x.session == nil {
		return c.Redirect(http.StatusSeeOther, g.signedOutURL(x.route))
	}
	t := textFor(l, "sign_out", x.route)
	return x.show(r, http.StatusOK, page{Title: t.Title, Text: t.Text, Link: "/", LinkLabel: t.Link,
		Post: g.cfg.Prefix + "/sign-out", PostLabel: labels[l]["sign_out"]})
}

// signOut ends the session, in the browser and for whoever else holds a copy
// of its cookie. Only a form of this very origin may ask for it: the pages of
// sister subdomains are same-site to a browser, and their forms bring cookies.
// GET only asks.
func (g *Gateway) signOut(x *exchange, c echo.Context) error {
	r, rt := c.Request(), x.route
	if r.Method != http.MethodPost {
		return g.confirmSignOut(x, c)
	}
	if !rt.ownOrigin(r) {
		return errOrigin
	}
	x.session = g.sessions.read(rt, r) // for the log
	g.end(x, r)
	return c.Redirect(http.StatusSeeOther, g.signedOutURL(rt))
}

// signedOut is where a sign-out ends: a public page, so that nobody is signed
// in again at once.
func (g *Gateway) signedOut(x *exchange, c echo.Context) error {
	t := textFor(lang(c.Request()), "signed_out", x.route)
	return x.show(c.Request(), http.StatusOK, page{Title: t.Title, Text: t.Text, Link: g.loginURL(x.route, "/"), LinkLabel: t.Link})
}
