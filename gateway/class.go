package gateway

import (
	"net/http"
	"slices"
	"strings"
)

// class says what kind of request a browser makes, which decides how it is
// told that nobody is signed in.
type class uint8

const (
	// background is everything that no person looks at as a page: fetch, XHR,
	// images, scripts, event streams, WebSockets, prefetches, iframes, programs.
	// A redirect to Slack would break it; it gets 401 and the address to sign in.
	background class = iota
	// navigation is a page that a person opens; it is sent to Slack.
	navigation
	// submission is a navigation that carries a form: it cannot be repeated
	// after sign-in by a redirect.
	submission
)

// classOf decides by the Sec-Fetch-* headers where the browser sends them
// (https://www.w3.org/TR/fetch-metadata/: scripts cannot forge them), else by
// what older browsers and programs give away.
func classOf(r *http.Request) class {
	if isPrefetch(r) || wantsWebSocket(r) {
		return background
	}
	page := navigation
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPost:
		page = submission
	default:
		return background
	}
	mode, dest := r.Header.Get("Sec-Fetch-Mode"), r.Header.Get("Sec-Fetch-Dest")
	if mode != "" || dest != "" {
		if (mode == "navigate" || mode == "") && (dest == "document" || dest == "") {
			return page
		}
		return background
	}
	if r.Header.Get("X-Requested-With") != "" || r.Header.Get("Hx-Request") != "" {
		return background
	}
	if accepts(r, "text/html") {
		return page
	}
	return background
}

// isPrefetch knows today's Sec-Purpose and yesterday's Purpose and X-Moz.
func isPrefetch(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Sec-Purpose"), "prefetch") ||
		r.Header.Get("Purpose") == "prefetch" || r.Header.Get("X-Moz") == "prefetch"
}

// wantsWebSocket is wider than what proxy will carry (GET, one Upgrade header):
// whatever an app might take for a handshake must come from our own pages. A
// proxy that asks by forward auth may have kept Upgrade to itself; the headers
// that browsers send beside it are not hop-by-hop.
func wantsWebSocket(r *http.Request) bool {
	return r.Header["Sec-Websocket-Key"] != nil || r.Header["Sec-Websocket-Version"] != nil || slices.ContainsFunc(r.Header["Upgrade"], func(v string) bool { return strings.Contains(strings.ToLower(v), "websocket") })
}

// accepts reports whether the Accept header names the media type itself;
// "*/*", which every program sends, is not enough.
func accepts(r *http.Request, media string) bool {
	for _, v := range r.Header.Values("Accept") {
		if strings.Contains(strings.ToLower(v), media) {
			return true
		}
	}
	return false
}
