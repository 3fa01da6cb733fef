package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// endTimeout bounds the wait for the store when a session ends.
const endTimeout = 10 * time.Second

// confirmSignOut asks before signing out: a link may not change anything.
func (g *Gateway) confirmSignOut(x *exchange, c echo.Context) error {
	r, l := c.Request(), lang(c.Request())
	if x.session = g.sessions.open(x.route, r); x.session == nil {
		return x.redirect(c, http.StatusSeeOther, g.signedOutURL(x.route))
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
		return rt.foreign(r)
	}
	x.session = g.sessions.read(rt, r) // for the log
	g.end(x, r)
	return x.redirect(c, http.StatusSeeOther, g.signedOutURL(rt))
}

// signedOut is where a sign-out ends: a public page, so that nobody is signed
// in again at once.
func (g *Gateway) signedOut(x *exchange, c echo.Context) error {
	t := textFor(lang(c.Request()), "signed_out", x.route)
	return x.show(c.Request(), http.StatusOK, page{Title: t.Title, Text: t.Text, Link: g.loginURL(x.route, "/"), LinkLabel: t.Link})
}

func (g *Gateway) signedOutURL(rt *Route) string { return rt.Origin + g.cfg.Prefix + "/signed-out" }

// signOutEverywhere ends every session of who asks, on this route: this one,
// those in other browsers, and copies of their cookies. As signOut, it takes
// only a form of this very origin; a GET shows the page with that form.
func (g *Gateway) signOutEverywhere(x *exchange, c echo.Context) error {
	r, rt := c.Request(), x.route
	if r.Method != http.MethodPost {
		return x.redirect(c, http.StatusSeeOther, rt.Origin+g.cfg.Prefix+"/")
	}
	if !rt.ownOrigin(r) {
		return rt.foreign(r)
	}
	if x.session = g.sessions.open(rt, r); x.session == nil {
		// To the page with the button: this is no form of the app's, to be kept.
		return x.redirect(c, http.StatusSeeOther, rt.Origin+g.cfg.Prefix+"/")
	}
	id := x.session.identity
	act := auditEntry{actor: id.Team + "/" + id.User, action: "sessions.signed_out_everywhere", object: "person " + id.User + " on " + rt.Host}
	if _, err := g.sessions.revoked.revoke(r.Context(), whose{route: rt.Host, team: id.Team, user: id.User}, g.cfg.Now().Add(maxLifetime), act); err != nil {
		// Nothing was ended, so nothing is said to be: not even here.
		return errNotEnded.because(err).linking(rt.Origin + g.cfg.Prefix + "/")
	}
	g.forgetBrowser(x, r)
	return x.redirect(c, http.StatusSeeOther, g.signedOutURL(rt))
}

// end signs the browser out, the app's session included, and whoever else holds
// a copy of our cookie: also of a session that does not count just now, since
// its person is kept out or nobody can tell whether it was ended.
func (g *Gateway) end(x *exchange, r *http.Request) {
	g.forgetBrowser(x, r)
	held := g.sessions.read(x.route, r)
	if held == nil {
		return
	}
	// A page that says goodbye by a beacon does not wait for the answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), endTimeout)
	defer cancel()
	if err := g.sessions.revoked.end(ctx, held, held.ends); err != nil {
		// The browser is signed out all the same; a stolen copy is not.
		g.cfg.Log.Error("sign-out is not recorded: a copied cookie stays good until it expires", "request_id", x.id, "error", err)
	}
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
