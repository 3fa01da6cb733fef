package certs

import (
	"net/http"
	"net/url"
)

// Redirect is the handler of the plain listener: it answers the authority's HTTP
// challenges, and sends everybody else to https on the same host, the path and
// the query as they came. origin gives a host's public origin, such as
// "https://agrafmania.cocoom.com". A host of no route gets 421, so that no Host
// header makes a link to us lead elsewhere.
//
// It never says Strict-Transport-Security, which browsers disregard over plain
// HTTP (RFC 6797, section 8.1).
func (c *Certificates) Redirect(origin func(host string) string) http.Handler {
	away := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target, ok := requestTarget(r)
		if !ok {
			http.Error(w, "This request has no path.", http.StatusBadRequest)
			return
		}
		// Not for ever: a browser that remembers it could not be called back.
		w.Header().Set("Cache-Control", "max-age=3600")
		w.Header()["Location"] = []string{origin(hostname(r.Host)) + target}
		w.WriteHeader(redirectStatus(r.Method))
	})
	var next http.Handler = away
	if c.acme != nil {
		next = c.acme.client.HTTPChallengeHandler(away)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !c.serves(hostname(r.Host)) {
			http.Error(w, "This host is not served here.", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// redirectStatus is 301 for what a browser opens, which every client ever knew,
// and 308 for the rest, which keeps the method and the body (RFC 9110, section
// 15.4): after a 301 clients would send a POST again as a GET, and lose it.
func redirectStatus(method string) int {
	if method == http.MethodGet || method == http.MethodHead {
		return http.StatusMovedPermanently
	}
	return http.StatusPermanentRedirect
}

// requestTarget gives a request's path and query byte for byte. Clients send them
// alone, or as if to a proxy as a whole address, whose host is in r.Host then.
func requestTarget(r *http.Request) (string, bool) {
	if len(r.RequestURI) > 0 && r.RequestURI[0] == '/' {
		return r.RequestURI, true
	}
	whole, err := url.ParseRequestURI(r.RequestURI)
	if err != nil || whole.Host == "" {
		return "", false
	}
	target := whole.EscapedPath()
	if target == "" {
		target = "/"
	}
	if whole.RawQuery != "" {
		target += "?" + whole.RawQuery
	}
	return target, true
}
