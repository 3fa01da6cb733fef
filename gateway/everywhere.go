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

// signOutEverywhere ends every session of who asks, on this route: this one,
// those in other browsers, and copies of their cookies. As signOut, it takes
// only a form of this very origin; a GET shows the page with that form.
func (g *Gateway) signOutEverywhere(x *exchange, c echo.Context) error {
	r, rt := c.Request(), x.route
	if r.Method != http.MethodPost {
		return c.Redirect(http.StatusSeeOther, rt.Origin+g.cfg.Prefix+"/")
	}
	if !rt.ownOrigin(r) {
		return errOrigin
	}
	if x.session = g.sessions.open(rt, r); x.session == nil {
		return g.askToSignIn(x, c)
	}
	id := x.session.identity
	act := auditEntry{actor: id.Team + "/" + id.User, action: "sessions.signed_out_everywhere", object: "person " + id.User + " on " + rt.Host}
	ends := g.cfg.Now().Add(g.sessions.times.Lifetime)
	if _, err := g.sessions.revoked.revoke(r.Context(), whose{route: rt.Host, team: id.Team, user: id.User}, ends, act); err != nil {
		// Nothing was ended, so nothing is said to be: not even here.
		return errNotEnded.because(err).linking(rt.Origin + g.cfg.Prefix + "/")
	}
	g.forgetBrowser(x, r)
	return c.Redirect(http.StatusSeeOther, g.signedOutURL(rt))
}

// forgetBrowser removes what the browser holds of ours, the app's own session
// and what its pages have left.
func (g *Gateway) forgetBrowser(x *exchange, r *http.Request) {
	setCookie(x, x.route, cookieName(x.route), "", 0)
	clearPendingCookies(x, r, x.route)
	for _, name := range x.route.Login.BoundCookies().InBrowser() {
		setCookie(x, x.route, name, "", 0)
	}
	// Not "cookies": that would reach beyond this host, to every subdomain of
	// the same registrable domain (https://www.w3.org/TR/clear-site-data/).
	x.Header().Set("Clear-Site-Data", `"cache", "storage"`)
}
