package gateway

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/cocoom/cocoom-gateway/internal/problem"
)

// Private gives what is served inside the network, on a listener that no
// browser reaches:
//
//	/livez, /readyz                          handed to probes
//	<reserved prefix>/jwks.json              the public signing keys
//	<reserved prefix>/auth                   forward auth for Traefik and Caddy
//	<reserved prefix>/auth/nginx             forward auth for nginx's auth_request
//	/routes/HOST/v1/…                        the notification API of a route
//	/routes/HOST/services/…, /slack/api/…    the same in place of Slack's own
//
// and 404 for all else.
func (g *Gateway) Private(probes http.Handler) http.Handler {
	p := g.cfg.Prefix
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case path == "/livez" || path == "/readyz":
			probes.ServeHTTP(w, r)
		case path == p+"/auth":
			g.forwardAuth(w, r, false)
		case path == p+"/auth/nginx":
			g.forwardAuth(w, r, true)
		case path == p+"/jwks.json":
			g.private(w, r, g.privateKeys)
		case strings.HasPrefix(path, "/routes/"):
			g.private(w, r, g.privateNotify)
		default:
			g.private(w, r, nothingHere)
		}
	})
}

// private gives serve an exchange, and logs it.
func (g *Gateway) private(w http.ResponseWriter, r *http.Request, serve func(x *exchange, r *http.Request)) {
	x := g.open(w, r)
	r = g.traced(x, r)
	defer g.finish(x, r)
	x.peer(x.conf.peers, r)
	x.forNobodyElse()
	x.Header().Set("X-Request-Id", x.id)
	r.Header.Set("X-Request-Id", x.id) // problems name it
	serve(x, r)
}

func (g *Gateway) privateKeys(x *exchange, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		problem.Problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Allow: "GET, HEAD"}.Write(x, r)
		return
	}
	if err := g.jwks(x, g.echo.NewContext(r, x)); err != nil {
		x.failure = err
	}
}

// privateNotify hands /routes/HOST/… to that route's notification API, as /…:
// callers inside the network use an address, not the public host.
func (g *Gateway) privateNotify(x *exchange, r *http.Request) {
	host, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/routes/"), "/")
	x.route = x.conf.routes.find(host)
	if x.route == nil || x.route.Notify == nil {
		problem.Problem{Status: http.StatusNotFound, Code: "unknown_route", Detail: "no route of this host has notifications"}.Write(x, r)
		return
	}
	inner := x.forNotify(r)
	inner.URL = &url.URL{Path: "/" + rest, RawQuery: r.URL.RawQuery}
	x.route.Notify.ServeHTTP(x, inner)
}

func nothingHere(x *exchange, r *http.Request) {
	problem.Problem{Status: http.StatusNotFound, Code: "not_found", Detail: "there is nothing at this path"}.Write(x, r)
}
