package gateway

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/cocoom/cocoom-gateway/policy"
)

// leaves reports whether a request is the app's own sign-out, made by the person
// on a page of this host. An image on a foreign page, a page of a sister
// subdomain (which brings cookies along) and a prefetch may ask the app for the
// same path, but do not end our session. path is the request's canonical one.
func (rt *Route) leaves(r *http.Request, path string) bool {
	return rt.SignOut.Include(policy.Request{Path: path, RawQuery: r.URL.RawQuery}) &&
		!isPrefetch(r) && !wantsWebSocket(r) && rt.sameOrigin(r)
}

// leave ends the session of a request that signs out of the app, and gives the
// ResponseWriter for the app's answer. It is ended before the app is asked, so
// that it ends whatever becomes of that.
func (g *Gateway) leave(x *exchange, r *http.Request) http.ResponseWriter {
	g.end(x, r)
	return landing{x, g.signedOutURL(x.route)}
}

// leaveUnasked answers a sign-out about which the app is not asked: of somebody
// whose session does not count, who led to Slack would come back signed in, and
// during maintenance.
func (g *Gateway) leaveUnasked(x *exchange, c echo.Context) error {
	g.end(x, c.Request())
	x.forNobodyElse()
	return c.Redirect(http.StatusSeeOther, g.signedOutURL(x.route))
}

// landing leads the app's redirect after its sign-out to our page. At the app's
// own sign-in page Slack would sign the person in again at once.
type landing struct {
	*exchange
	to string
}

// WriteHeader changes where a redirect leads, or a page that goes on by itself.
func (l landing) WriteHeader(status int) {
	h := l.Header()
	if status >= 300 && status < 400 && h.Get("Location") != "" {
		h.Set("Location", l.to)
		status = http.StatusSeeOther // 307 and 308 would send the form on
	}
	if refresh := h.Get("Refresh"); strings.ContainsAny(refresh, ";,") {
		h.Set("Refresh", refresh[:strings.IndexAny(refresh, ";,")]+"; url="+l.to)
	}
	l.exchange.WriteHeader(status)
}

// Unwrap lets http.ResponseController and exchangeOf find the exchange.
func (l landing) Unwrap() http.ResponseWriter { return l.exchange }
