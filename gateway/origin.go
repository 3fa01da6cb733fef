package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// ownOrigin reports whether a browser says that a page of this very origin makes
// the request: other sites cannot make it say so. What changes something here,
// or opens a WebSocket, must.
func (rt *Route) ownOrigin(r *http.Request) bool { return r.Header.Get("Origin") == rt.Origin }

// sameOrigin reports whether a request comes from a page of the route or from
// the person directly. Browsers that do not send Sec-Fetch-Site (Safari before
// 16.4) give their page away by Origin or Referer; what gives away nothing, as
// on pages with "Referrer-Policy: no-referrer", is believed.
func (rt *Route) sameOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin" || site == "none"
	}
	if r.Header.Get("Origin") != "" {
		return rt.ownOrigin(r)
	}
	referer := r.Header.Get("Referer")
	return referer == "" || referer == rt.Origin || strings.HasPrefix(referer, rt.Origin+"/")
}

// foreign is the refusal of what comes from another origin. Where that is this
// host by another scheme or port, it is rather the configuration that is wrong,
// which the log then says.
func (rt *Route) foreign(r *http.Request) *refusal {
	from := originOf(r)
	if u, err := url.Parse(from); err != nil || from == rt.Origin || u.Hostname() != rt.Host {
		return errOrigin
	}
	return errOrigin.because(fmt.Errorf("a page of this host, but not at %s: look at public_scheme and public_port", rt.Origin))
}
