package gateway

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/cocoom/cocoom-gateway/policy"
)

// endTimeout bounds the wait for the store when a session ends.
const endTimeout = 10 * time.Second

// leaves reports whether a request is the app's own sign-out, made by the person
// on a page of this host. An image on a foreign page, a page of a sister
// subdomain (which brings cookies along) and a prefetch may ask the app for the
// same path, but do not end our session. path is the request's canonical one.
func (rt *Route) leaves(r *http.Request, path string) bool {
	return rt.SignOut.Include(policy.Request{Path: path, RawQuery: r.URL.RawQuery}) &&
		!isPrefetch(r) && !wantsWebSocket(r) && rt.sameOrigin(r)
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

// leave ends the session of a request that signs out of the app, and gives the
// ResponseWriter for the app's answer. It is ended before the app is asked, so
// that it ends whatever becomes of that.
func (g *Gateway) leave(x *exchange, r *http.Request) http.ResponseWriter {
	g.end(x, r)
	return farewell{x, g.signedOutURL(x.route)}
}

// leaveUnasked answers a sign-out about which the app is not asked: of somebody
// whose session does not count, who led to Slack would come back signed in, and
// during maintenance.
func (g *Gateway) leaveUnasked(x *exchange, c echo.Context) error {
	g.end(x, c.Request())
	return c.Redirect(http.StatusSeeOther, g.signedOutURL(x.route))
}

func (g *Gateway) signedOutURL(rt *Route) string { return rt.Origin + g.cfg.Prefix + "/signed-out" }

// farewell leads the app's redirect after its sign-out to our page. At the app's
// own sign-in page Slack would sign the person in again at once.
type farewell struct {
	*exchange
	to string
}

// WriteHeader changes where a redirect leads, or a page that goes on by itself.
func (f farewell) WriteHeader(status int) {
	h := f.Header()
	if status >= 300 && status < 400 && h.Get("Location") != "" {
		h.Set("Location", f.to)
		status = http.StatusSeeOther // 307 and 308 would send the form on
	}
	if refresh := h.Get("Refresh"); strings.ContainsAny(refresh, ";,") {
		h.Set("Refresh", refresh[:strings.IndexAny(refresh, ";,")]+"; url="+f.to)
	}
	f.exchange.WriteHeader(status)
}

// Unwrap lets http.ResponseController and exchangeOf find the exchange.
func (f farewell) Unwrap() http.ResponseWriter { return f.exchange }
