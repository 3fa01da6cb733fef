package gateway

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"
	"golang.org/x/oauth2"
)

// A round is one way to Slack and back. Every round knows, sealed in its state,
// how many came before it and led nowhere, whatever the reason: refused,
// cancelled, or signed in with a browser that does not keep the cookie. That
// state is also the ticket for the next round, at GET /login?again=STATE, and
// all ways lead there:
//
//	callback ─ signed in ──────────► /login?again ─ session kept ─► the page asked for
//	         │                            ▲       └ not kept ─────► next round, by itself
//	         ├ refused ─► page ─ click ───┘
//	         └ genuine state, its cookie gone ────────────────────► next round, by itself, once
//
// So nothing is left in the browser to count, and a browser without cookies
// counts as well as any.

// maxRounds is how many rounds may lead nowhere before a page says that one
// more will hardly help.
const maxRounds = 3

// again is the path that follows a round.
func (g *Gateway) again(state string) string {
	return g.cfg.Prefix + "/login?again=" + url.QueryEscape(state)
}

// startLogin is GET /login?to=PATH and /login?again=STATE. Who is signed in is
// just sent on. A state that is too old still knows the way; its rounds are
// forgotten.
func (g *Gateway) startLogin(x *exchange, c echo.Context) error {
	rt := x.route
	path, round := localPath(c.QueryParam("to"), rt.EncodedSlash), 0
	if before, err := g.logins.openPending(rt, c.QueryParam("again")); err == nil {
		path = before.Return
		if !before.expired(g.cfg.Now()) {
			round = before.Round + 1
		}
	}
	if x.session = g.sessions.open(rt, c.Request()); x.session != nil {
		return g.sendOn(x, c, path)
	}
	if round >= maxRounds {
		return errCookies.because(fmt.Errorf("no session after %d rounds", round)).linking(g.loginURL(rt, path)).finally()
	}
	return g.beginRound(x, c, path, round)
}

// sendOn brings who has a session to path. No sign-in is under way any more:
// the other tabs will find the session too.
func (g *Gateway) sendOn(x *exchange, c echo.Context, path string) error {
	clearPendingCookies(x, c.Request(), x.route)
	return x.redirect(c, http.StatusFound, x.route.Origin+path)
}

// beginRound sends the person to Slack. Only who opens a page gets that far:
// nothing in the background leaves a cookie.
func (g *Gateway) beginRound(x *exchange, c echo.Context, path string, round int) error {
	r, rt := c.Request(), x.route
	if classOf(r) != navigation {
		return errSignIn.linking(g.loginURL(rt, path))
	}
	switch {
	case !rt.connected():
		return errNotConnected.linking(rt.Origin + path)
	case g.sessions.revoked.stale(g.cfg.Now()):
		return errUnchecked.linking(rt.Origin + path)
	}
	if no := g.begins(x, r); no != nil {
		return no.linking(g.loginURL(rt, path))
	}
	d, err := x.conf.provider.get(r.Context())
	if err != nil {
		rt.signedIn(errSlackDown.code)
		return errSlackDown.because(err).linking(g.loginURL(rt, path))
	}
	pending, secret := g.logins.newPending(r, rt, path, round)
	state, err := g.logins.sealPending(rt, pending)
	if err != nil {
		return fmt.Errorf("begin sign-in: %w", err)
	}
	setPendingCookie(x, rt, pending, secret)
	oauth := x.conf.provider.oauth(d, rt)
	return x.redirect(c, http.StatusFound, oauth.AuthCodeURL(state,
		oauth2.SetAuthURLParam("nonce", pending.Nonce), oauth2.SetAuthURLParam("team", rt.Workspace)))
}

// failRound gives what refused a round its next step, unless it has one: the next
// round or, after the last one, none but to begin from the start. A trouble that
// passes is no round.
func (g *Gateway) failRound(x *exchange, c echo.Context, pending pendingLogin, err error) error {
	rt, why := x.route, asRefusal(err)
	rt.signedIn(why.code)
	mistake := why.slack
	if why.hearsay {
		mistake = why.mend // of which there are a few: names anybody could make up
	}
	if why.mend != "" && g.logins.firstTime(rt.Host+" "+mistake) {
		g.cfg.Log.Error("Slack refuses a route's sign-ins because of its settings", "route", rt.Host, "slack_error", why.slack, "mend", why.mend,
			"redirect_url", rt.Origin+rt.callback, "client_id", rt.SlackApp.ClientID, "error", why, "request_id", x.id)
	}
	switch {
	case why.link != "":
		return why // the code is still good
	case why.retry != "": // whoever comes again when they are told to has not tried in vain
		return why.linking(g.loginURL(rt, pending.Return))
	case pending.Round+1 >= maxRounds:
		return why.linking(g.loginURL(rt, pending.Return)).finally()
	}
	return why.linking(rt.Origin + g.again(c.QueryParam("state")))
}
