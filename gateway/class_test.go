package gateway_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// What browsers send for a page (the "document accept header value" of the
// Fetch standard, and what each vendor makes of it).
const (
	chromePage  = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"
	firefoxPage = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
	safariPage  = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	edgePage    = "text/html, application/xhtml+xml, image/jxr, */*" // and Internet Explorer 11
	operaPage   = "text/html, application/xml;q=0.9, application/xhtml+xml, image/png, image/webp, image/jpeg, image/gif, image/x-xbitmap, */*;q=0.1"
)

// fetchMetadata is what browsers add over https, and to loopback.
func fetchMetadata(mode, dest string, more ...string) []string {
	return append([]string{"Sec-Fetch-Mode", mode, "Sec-Fetch-Dest", dest}, more...)
}

// asked is a request as somebody really sends it, and the answer it wants.
type asked struct {
	method string
	header []string
	want   int
}

const formType = "application/x-www-form-urlencoded"

// TestRequestClass: who is sent to Slack (302) and who is told 401, by what
// browsers, libraries and programs really send. Only a page leaves a cookie.
func TestRequestClass(t *testing.T) {
	askAll(t, newWorld(t), map[string]asked{
		// Pages, with fetch metadata.
		"Chrome page":                  {"GET", fetchMetadata("navigate", "document", "Sec-Fetch-Site", "none", "Sec-Fetch-User", "?1", "Upgrade-Insecure-Requests", "1", "Accept", chromePage), 302},
		"Chrome link of another site":  {"GET", fetchMetadata("navigate", "document", "Sec-Fetch-Site", "cross-site", "Accept", chromePage), 302},
		"Chrome 76 page":               {"GET", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "none", "Accept", chromePage}, 302},
		"Firefox page":                 {"GET", fetchMetadata("navigate", "document", "Sec-Fetch-Site", "none", "Accept", firefoxPage), 302},
		"Safari page":                  {"GET", fetchMetadata("navigate", "document", "Sec-Fetch-Site", "none", "Accept", safariPage), 302},
		"page through service worker":  {"GET", fetchMetadata("navigate", "document", "Service-Worker-Navigation-Preload", "true", "Accept", chromePage), 302},
		"page passed on by a worker":   {"GET", fetchMetadata("navigate", "empty", "Sec-Fetch-Site", "cross-site", "Upgrade-Insecure-Requests", "1", "Accept", chromePage), 302},
		"Android WebView page":         {"GET", fetchMetadata("navigate", "document", "X-Requested-With", "com.example.mail", "Accept", chromePage), 302},
		"page whatever it accepts":     {"GET", fetchMetadata("navigate", "document", "Accept", "*/*"), 302},
		"link checker of pages (HEAD)": {"HEAD", []string{"Accept", safariPage}, 302},

		// Pages, without: before Safari 16.4, and over http.
		"old Safari page":           {"GET", []string{"Upgrade-Insecure-Requests", "1", "Accept", safariPage}, 302},
		"Chrome page over http":     {"GET", []string{"Upgrade-Insecure-Requests", "1", "Accept", chromePage}, 302},
		"Firefox page over http":    {"GET", []string{"Accept", firefoxPage}, 302},
		"Internet Explorer 11 page": {"GET", []string{"Accept", edgePage}, 302},
		"old Opera page":            {"GET", []string{"Accept", operaPage}, 302},
		"old Android WebView page":  {"GET", []string{"X-Requested-With", "com.example.mail", "Accept", safariPage}, 302},

		// Forms: 401 with a page.
		"form":                {"POST", fetchMetadata("navigate", "document", "Content-Type", formType, "Accept", chromePage), 401},
		"form of old Safari":  {"POST", []string{"Content-Type", formType, "Accept", safariPage}, 401},
		"form into an iframe": {"POST", fetchMetadata("navigate", "iframe", "Content-Type", formType, "Accept", chromePage), 401},
	})
}

// TestRequestClassInThePage: what pages load and their scripts ask for. Fetch
// metadata cannot be forged by a script.
func TestRequestClassInThePage(t *testing.T) {
	w := newWorld(t)
	ws := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-Websocket-Version", "13", "Sec-Websocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}
	askAll(t, w, map[string]asked{
		// Scripts of a page, with fetch metadata: it cannot be forged.
		"fetch":                       {"GET", fetchMetadata("cors", "empty", "Accept", "*/*"), 401},
		"fetch that wants HTML":       {"GET", fetchMetadata("cors", "empty", "Accept", "text/html"), 401},
		"fetch that copies a page's":  {"GET", fetchMetadata("same-origin", "empty", "Accept", chromePage), 401},
		"fetch no-cors":               {"GET", fetchMetadata("no-cors", "empty", "Accept", "*/*"), 401},
		"fetch POST":                  {"POST", fetchMetadata("cors", "empty", "Content-Type", "application/json", "Accept", "*/*"), 401},
		"jQuery .load":                {"GET", fetchMetadata("cors", "empty", "X-Requested-With", "XMLHttpRequest", "Accept", "text/html, */*; q=0.01"), 401},
		"Turbo Drive":                 {"GET", fetchMetadata("cors", "empty", "X-Turbo-Request-Id", "7c3d", "Accept", "text/html, application/xhtml+xml"), 401},
		"Turbo form":                  {"POST", fetchMetadata("cors", "empty", "Accept", "text/vnd.turbo-stream.html, text/html, application/xhtml+xml"), 401},
		"htmx":                        {"GET", fetchMetadata("cors", "empty", "Hx-Request", "true", "Accept", "*/*"), 401},
		"sendBeacon":                  {"POST", fetchMetadata("no-cors", "empty", "Accept", "*/*"), 401},
		"link ping":                   {"POST", fetchMetadata("no-cors", "empty", "Ping-To", "https://x.example/", "Content-Type", "text/ping"), 401},
		"EventSource":                 {"GET", fetchMetadata("cors", "empty", "Accept", "text/event-stream"), 401},
		"service worker script":       {"GET", fetchMetadata("same-origin", "serviceworker", "Service-Worker", "script", "Accept", "*/*"), 401},
		"worker":                      {"GET", fetchMetadata("same-origin", "worker", "Accept", "*/*"), 401},
		"WebSocket of ours (Chrome)":  {"GET", append(fetchMetadata("websocket", "empty", "Origin", w.routes[0].Origin), ws...), 401},
		"WebSocket of ours (Firefox)": {"GET", append(fetchMetadata("websocket", "websocket", "Origin", w.routes[0].Origin), ws...), 401},
		"WebSocket of another site":   {"GET", append(fetchMetadata("websocket", "empty", "Origin", w.routes[1].Origin), ws...), 403},
		"WebSocket of nobody":         {"GET", append(ws[:len(ws):len(ws)], "Accept", safariPage), 403},

		// What a page is made of, and what opens before anybody asked for it.
		"iframe":             {"GET", fetchMetadata("navigate", "iframe", "Accept", chromePage), 401},
		"frame":              {"GET", fetchMetadata("navigate", "frame", "Accept", chromePage), 401},
		"fenced frame":       {"GET", fetchMetadata("navigate", "fencedframe", "Accept", chromePage), 401},
		"Chrome 76 iframe":   {"GET", []string{"Sec-Fetch-Mode", "nested-navigate", "Accept", chromePage}, 401},
		"embed":              {"GET", fetchMetadata("navigate", "embed", "Accept", chromePage), 401},
		"object":             {"GET", fetchMetadata("navigate", "object", "Accept", chromePage), 401},
		"image":              {"GET", fetchMetadata("no-cors", "image", "Accept", "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"), 401},
		"script":             {"GET", fetchMetadata("no-cors", "script", "Accept", "*/*"), 401},
		"style":              {"GET", fetchMetadata("no-cors", "style", "Accept", "text/css,*/*;q=0.1"), 401},
		"font":               {"GET", fetchMetadata("cors", "font", "Accept", "*/*"), 401},
		"video":              {"GET", fetchMetadata("no-cors", "video", "Range", "bytes=0-", "Accept", "*/*"), 401},
		"manifest":           {"GET", fetchMetadata("cors", "manifest", "Accept", "*/*"), 401},
		"report":             {"POST", fetchMetadata("cors", "report", "Content-Type", "application/csp-report"), 401},
		"Chrome prefetch":    {"GET", fetchMetadata("no-cors", "empty", "Sec-Purpose", "prefetch", "Purpose", "prefetch", "Accept", "*/*"), 401},
		"Chrome prerender":   {"GET", fetchMetadata("navigate", "document", "Sec-Purpose", "prefetch;prerender", "Purpose", "prefetch", "Accept", chromePage), 401},
		"prefetch by proxy":  {"GET", fetchMetadata("navigate", "document", "Sec-Purpose", "prefetch;anonymous-client-ip", "Accept", chromePage), 401},
		"Safari prefetch":    {"GET", []string{"Purpose", "prefetch", "Accept", safariPage}, 401},
		"old Firefox":        {"GET", []string{"X-Moz", "prefetch", "Accept", firefoxPage}, 401},
		"Safari top sites":   {"GET", []string{"X-Purpose", "preview", "Accept", safariPage}, 401},
		"PUT of old Safari":  {"PUT", []string{"Accept", safariPage}, 401},
		"DELETE":             {"DELETE", fetchMetadata("cors", "empty", "Accept", chromePage), 401},
		"OPTIONS, preflight": {"OPTIONS", fetchMetadata("cors", "empty", "Access-Control-Request-Method", "PUT"), 401},
	})
}

// TestRequestClassByAccept: scripts where nothing tells them from a page but
// what they accept, and programs.
func TestRequestClassByAccept(t *testing.T) {
	askAll(t, newWorld(t), map[string]asked{
		// Scripts without fetch metadata: over http, and in old Safari.
		"XHR of old Safari":            {"GET", []string{"Accept", "*/*"}, 401},
		"jQuery .load over http":       {"GET", []string{"X-Requested-With", "XMLHttpRequest", "Accept", "text/html, */*; q=0.01"}, 401},
		"jQuery that copies a page's":  {"GET", []string{"X-Requested-With", "XMLHttpRequest", "Accept", safariPage}, 401},
		"jQuery html, no mark":         {"GET", []string{"Accept", "text/html, */*; q=0.01"}, 401},
		"jQuery POST over http":        {"POST", []string{"X-Requested-With", "XMLHttpRequest", "Content-Type", formType, "Accept", "*/*"}, 401},
		"Turbo over http":              {"GET", []string{"Accept", "text/html, application/xhtml+xml"}, 401},
		"Turbolinks over http":         {"GET", []string{"Turbolinks-Referrer", "http://x/", "Accept", "text/html, application/xhtml+xml"}, 401},
		"htmx over http":               {"GET", []string{"Hx-Request", "true", "Accept", "*/*"}, 401},
		"fetch for HTML over http":     {"GET", []string{"Accept", "text/html"}, 401},
		"EventSource over http":        {"GET", []string{"Accept", "text/event-stream"}, 401},
		"image over http":              {"GET", []string{"Accept", "image/webp,image/apng,image/*,*/*;q=0.8"}, 401},
		"image of old Safari":          {"GET", []string{"Accept", "image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5"}, 401},
		"script or style over http":    {"GET", []string{"Accept", "text/css,*/*;q=0.1"}, 401},
		"Angular or axios over http":   {"GET", []string{"Accept", "application/json, text/plain, */*"}, 401},
		"Internet Explorer 11's image": {"GET", []string{"Accept", "image/png, image/svg+xml, image/jxr, image/*;q=0.8, */*;q=0.5"}, 401},

		// Programs.
		"curl":                              {"GET", []string{"Accept", "*/*"}, 401},
		"curl -I":                           {"HEAD", []string{"Accept", "*/*"}, 401},
		"curl -d":                           {"POST", []string{"Content-Type", formType, "Accept", "*/*"}, 401},
		"wget":                              {"GET", []string{"Accept", "*/*", "Accept-Encoding", "identity"}, 401},
		"PHP file_get_contents":             {"GET", []string{"Accept", ""}, 401},
		"PHP file_get_contents as POST":     {"POST", []string{"Content-Type", formType, "Accept", ""}, 401},
		"PHP curl":                          {"GET", []string{"Accept", "*/*"}, 401},
		"Go or Python":                      {"GET", []string{"Accept", "", "Accept-Encoding", "gzip"}, 401},
		"JSON client":                       {"GET", []string{"Accept", "application/json"}, 401},
		"feed reader":                       {"GET", []string{"Accept", "application/atom+xml,application/rss+xml;q=0.9,application/rdf+xml;q=0.8,text/xml;q=0.7,*/*;q=0.6"}, 401},
		"SimplePie":                         {"GET", []string{"Accept", "application/atom+xml, application/rss+xml, application/rdf+xml;q=0.9, application/xml;q=0.8, text/xml;q=0.8, text/html;q=0.7, unknown/unknown;q=0.1, application/unknown;q=0.1, */*;q=0.1"}, 401},
		"calendar":                          {"GET", []string{"Accept", "text/calendar, */*;q=0.1"}, 401},
		"Slack unfurls a link":              {"GET", []string{"Accept", "*/*", "Range", "bytes=0-32768"}, 401},
		"WebDAV":                            {"PROPFIND", []string{"Depth", "1", "Accept", "*/*"}, 401},
		"program that says it is a browser": {"GET", []string{"Accept", safariPage, "User-Agent", "Wget/2"}, 302}, // and is believed
	})
}

func askAll(t *testing.T, w *world, rows map[string]asked) {
	for name, row := range rows {
		t.Run(name, func(t *testing.T) { askAs(t, w, row) })
	}
}

// askAs sends exactly these headers, and checks the answer to somebody whom
// nobody knows.
func askAs(t *testing.T, w *world, row asked) {
	method, want := row.method, row.want
	page := strings.Contains(t.Name(), "/form") && !strings.Contains(t.Name(), "iframe")
	got := w.browser().do(method, w.routes[0].Origin+"/x", nil, append([]string{"Sec-Fetch-Mode", "", "Sec-Fetch-Dest", ""}, row.header...)...)
	if got.StatusCode != want {
		t.Fatalf("answered %d, want %d", got.StatusCode, want)
	}
	if want == http.StatusFound {
		if len(got.Cookies()) != 1 || !strings.HasPrefix(got.Header.Get("Location"), w.slack.URL()) {
			t.Errorf("sent to %s with cookies %v", got.Header.Get("Location"), got.Cookies())
		}
		return
	}
	if len(got.Cookies()) > 0 {
		t.Errorf("leaves cookies: %v", got.Cookies())
	}
	if want != http.StatusUnauthorized {
		return
	}
	login := w.routes[0].Origin + "/.gateway/login?to="
	if challenge := got.Header.Get("WWW-Authenticate"); !strings.Contains(challenge, `login_url="`+login) {
		t.Errorf("WWW-Authenticate: %s", challenge)
	}
	if page {
		if got.Header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(got.text, login) {
			t.Errorf("a form's answer is no page that leads to a sign-in: %s", got.text)
		}
		return
	}
	if got.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("Content-Type %s", got.Header.Get("Content-Type"))
	}
	var p struct {
		Status   int
		Code     string
		LoginURL string `json:"login_url"`
	}
	if method == "HEAD" {
		return
	}
	if err := json.Unmarshal([]byte(got.text), &p); err != nil || p.Status != want || p.Code != "sign_in_required" || !strings.HasPrefix(p.LoginURL, login) {
		t.Errorf("problem %s (%v)", got.text, err)
	}
}

// TestNoLoginInTheBackground: the address that begins a sign-in is as shy as
// any page. Fetched, prefetched or framed it leaves no cookie.
func TestNoLoginInTheBackground(t *testing.T) {
	w := newWorld(t)
	for name, header := range map[string][]string{
		"fetch":     fetchMetadata("cors", "empty"),
		"prerender": fetchMetadata("navigate", "document", "Sec-Purpose", "prefetch;prerender"),
		"iframe":    fetchMetadata("navigate", "iframe"),
		"curl":      {"Sec-Fetch-Mode", "", "Sec-Fetch-Dest", "", "Accept", "*/*"},
	} {
		got := w.browser().get(w.routes[0].Origin+"/.gateway/login?to=/x", header...)
		if got.StatusCode != 401 || len(got.Cookies()) > 0 {
			t.Errorf("%s: answered %d with cookies %v", name, got.StatusCode, got.Cookies())
		}
	}
}
