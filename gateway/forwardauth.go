package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Forward auth: another proxy (nginx, Traefik, Caddy) carries a request to the
// app itself, and asks first whether it may. It describes the request in four
// headers, and hands on all of the client's own. What comes back is the answer
// that front would give, or 200 with the headers the app is to receive.

// forwardAuth answers such a question. statusOnly is for nginx, whose
// auth_request understands 200, 401 and 403 alone and shows no page of ours: it
// sends the refused request itself to the public listener, which does.
func (g *Gateway) forwardAuth(w http.ResponseWriter, r *http.Request, statusOnly bool) {
	asked, err := described(r)
	x := g.open(w, r)
	x.forwardAuth = true
	asked = g.traced(x, asked)
	defer g.finish(x, asked)
	x.peer(x.conf.peers, r)
	x.Header().Set("X-Request-Id", x.id)

	if peer := socketPeer(r); !x.conf.peers.includes(peer) {
		// Whoever may ask may say who is asking, and learns from the answer what
		// only the app should.
		err = errAsker.because(fmt.Errorf("%s is not in trusted_proxies", peer))
	}
	if err == nil {
		err = g.answerAuth(x, asked, statusOnly)
	}
	switch {
	case err == nil:
	case statusOnly:
		x.refuseNginx(asRefusal(err))
	default:
		x.refuse(asked, err)
	}
}

// refuseNginx says no more than whether signing in may help: a challenge nginx
// would add to the one in the public listener's answer.
func (x *exchange) refuseNginx(why *refusal) {
	x.failure = why
	x.forNobodyElse()
	if why.status == http.StatusUnauthorized {
		x.WriteHeader(http.StatusUnauthorized)
		return
	}
	x.WriteHeader(http.StatusForbidden)
}

// described gives the request that r asks about: r with the method, host and
// address that the proxy says. Where it does not say each of them, and for
// whom, exactly once, the error is a refusal, and the request is r.
func described(r *http.Request) (*http.Request, error) {
	var value [4]string
	for i, name := range [...]string{"X-Forwarded-Method", "X-Forwarded-Host", "X-Forwarded-Uri", "X-Forwarded-For"} {
		given := r.Header[name]
		if len(given) != 1 || given[0] == "" {
			return r, errQuestion.because(fmt.Errorf("%d times %s", len(given), name))
		}
		value[i] = given[0]
	}
	// What net/http's server does with a request line.
	u, err := url.ParseRequestURI(value[2])
	if err != nil || value[2][0] != '/' {
		return r, errQuestion.because(errors.New("X-Forwarded-Uri is no path"))
	}
	if strings.ContainsAny(value[2], "# ") {
		return r, errQuestion.because(errors.New("X-Forwarded-Uri has a fragment or a space, which the app might cut off"))
	}
	asked := new(http.Request)
	*asked = *r
	asked.Method, asked.Host, asked.URL, asked.RequestURI = value[0], value[1], u, value[2]
	return asked, nil
}

// answerAuth decides about a described request. A returned error is a refusal.
func (g *Gateway) answerAuth(x *exchange, asked *http.Request, statusOnly bool) error {
	r, err := g.locate(x, asked)
	if err != nil {
		return err
	}
	if err := sameMeaning(asked.URL, r.URL); err != nil {
		return errPath.because(err)
	}
	if l := x.route.Login; l != nil && len(l.BoundCookies()) > 0 {
		// The proxy that asks would hand the app these cookies as they come, and
		// the app's to the browser: bound to nobody.
		return errAsker.because(errors.New("the route binds the app's cookies to people, which only the gateway on the way can do"))
	}
	switch err := g.decide(x, r); {
	case err == errSignIn && !statusOnly:
		return g.askToSignIn(x, g.echo.NewContext(r, x))
	case err != nil:
		return err
	case statusOnly && mayBeButtonAtNginx(x.route, r):
		return errFormKept.because(errors.New("nginx has to bring the button to front"))
	}
	if err := x.route.Identifier.Answer(x.Header(), r.Header, x.session.principal()); err != nil {
		return err
	}
	g.slide(x, r)
	x.Header().Set("Cache-Control", "no-store")
	x.WriteHeader(http.StatusOK)
	return nil
}

// sameMeaning refuses a path that had dot segments. Front forwards the path
// that it has decided about; here the app gets the one that came, and "/admin"
// is what some see in "/admin/../public".
func sameMeaning(came, decided *url.URL) error {
	if came.Path != decided.Path {
		return errors.New("the app would get dot segments")
	}
	return nil
}
