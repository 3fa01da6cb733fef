package gateway

import (
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
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
		// A service worker that passes a page's request on has made its destination
		// "empty"; no script can ask for the mode otherwise.
		if (mode == "navigate" || mode == "") && (dest == "document" || dest == "") || mode == "navigate" && dest == "empty" {
			return page
		}
		return background
	}
	if asksForPage(r) && !scripted(r) {
		return page
	}
	return background
}

// asksForPage tells by the Accept header, where nothing better is sent: before
// Safari 16.4, and by every browser over http. What a browser wants for a page
// names HTML, XHTML and, last, anything
// (https://fetch.spec.whatwg.org/#document-accept-header-value; Internet
// Explorer and Opera differ in the order only). Scripts and programs that want
// HTML do not name all three: "text/html" alone is a fetch, with XHTML it is
// Turbo, with "*/*" jQuery, between feed types a feed reader.
func asksForPage(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	return strings.Contains(accept, "text/html") && strings.Contains(accept, "application/xhtml+xml") && strings.Contains(accept, "*/*")
}

// scripted knows the mark of XHR libraries. Android's WebView puts the name of
// its app there instead, such as com.example.mail, on pages too.
func scripted(r *http.Request) bool {
	by := r.Header.Get("X-Requested-With")
	return by != "" && !strings.Contains(by, ".")
}

// isPrefetch knows today's Sec-Purpose ("prefetch", "prefetch;prerender") and
// yesterday's names: nobody looks at the answer yet.
func isPrefetch(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Sec-Purpose"), "prefetch") ||
		r.Header.Get("Purpose") == "prefetch" || r.Header.Get("X-Moz") == "prefetch" || r.Header.Get("X-Purpose") == "preview"
}

// wantsWebSocket is wider than what proxy will carry (GET, one Upgrade header):
// whatever an app might take for a handshake must come from our own pages. A
// proxy that asks by forward auth may have kept Upgrade to itself; the headers
// that browsers send beside it are not hop-by-hop.
func wantsWebSocket(r *http.Request) bool {
	return r.Header["Sec-Websocket-Key"] != nil || r.Header["Sec-Websocket-Version"] != nil || slices.ContainsFunc(r.Header["Upgrade"], func(v string) bool { return strings.Contains(strings.ToLower(v), "websocket") })
}

// served reports whether requests of a method are for the app. CONNECT asks for a
// tunnel. TRACE, which Apache answers unless told otherwise, and IIS's TRACK have a
// server send back the request as it got it: with what the gateway has added, such
// as the person's assertion, or the password of a login by HTTP Basic. What is no
// token fits in no request line; HTTP/2 brings such, too.
func served(method string) bool {
	return httpguts.ValidHeaderFieldName(method) && method != http.MethodConnect && method != http.MethodTrace && method != "TRACK"
}
