package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/proxy"
)

// TestAdvisoryHostSpelling (CVE-2026-48794, CVE-2021-21291): a host is the
// same whatever its case, port and final dot, and nothing else is it.
func TestAdvisoryHostSpelling(t *testing.T) {
	w := newWorld(t)
	for given, want := range map[string]int{
		host: 302, strings.ToUpper(host): 302, host + ":1": 302, host + ".": 302, "AGRAFMANIA.localhost.:8080": 302,
		"bad" + host: 421, "x." + host: 421, "localhost": 421, host + "..": 421, host + ":x": 421, host + ":80:80": 421, "": 421, "127.0.0.1": 421,
	} {
		if got := raw(t, w, "GET / HTTP/1.1\r\nHost: "+given+"\r\nAccept: "+safariPage+"\r\nConnection: close\r\n\r\n"); got.StatusCode != want {
			t.Errorf("Host %q answered %d, want %d", given, got.StatusCode, want)
		}
	}
}

// raw sends bytes as they are and gives the answer.
func raw(t *testing.T, w *world, request string) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", w.front.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, request)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	return resp
}

// TestPaths: one spelling is looked for, matched and forwarded; what could be
// read in two ways is refused; the reserved prefix never reaches the app.
func TestPaths(t *testing.T) {
	w := newWorld(t)
	for target, want := range map[string]struct {
		status int
		app    string // what the app got
	}{
		"/public/x":                     {200, "/public/x"},
		"/public/caf%c3%a9?q=50%&b=2":   {200, "/public/caf%C3%A9?q=50%&b=2"},
		"/public/%61?":                  {200, "/public/a?"},
		"/public/a%20b;c=d//e":          {200, "/public/a%20b;c=d//e"},
		"/public/../admin/x":            {302, ""},
		"/public/%2e%2e/admin/x":        {302, ""},
		"/public/..%2fadmin":            {400, ""},
		"/public/..%5cadmin":            {400, ""},
		"/public/%00":                   {400, ""},
		"/../x":                         {400, ""},
		"/private?x=/public/":           {302, ""},
		"/private%23/public/x":          {302, ""},
		"/.gateway/nothing":             {404, ""},
		"/%2egateway/nothing":           {404, ""},
		"/%2Egateway/me":                {401, ""},
		"//.gateway/nothing":            {404, ""},
		"/.GATEWAY/nothing":             {404, ""},
		"/public/../.gateway/nothing":   {404, ""},
		"/public/x/%2e%2e/../.gateway/": {302, ""},
		"/.gateway;x/me":                {404, ""},
		"/.gatewayx":                    {302, ""},
	} {
		before := len(w.seen)
		got := raw(t, w, "GET "+target+" HTTP/1.1\r\nHost: "+host+"\r\nAccept: "+safariPage+"\r\nConnection: close\r\n\r\n")
		if got.StatusCode != want.status {
			t.Errorf("%s answered %d, want %d", target, got.StatusCode, want.status)
		}
		app := ""
		if len(w.seen) > before {
			app = w.last().RequestURI
		}
		if app != want.app {
			t.Errorf("%s reached the app as %q, want %q", target, app, want.app)
		}
	}
}

func TestEveryMethodPassesButConnect(t *testing.T) {
	w := newWorld(t)
	for _, m := range []string{"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "MKCOL", "LOCK", "QUERY", "REPORT"} {
		got := raw(t, w, m+" /public/x HTTP/1.1\r\nHost: "+host+"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		if got.StatusCode != 200 || w.last().Method != m {
			t.Errorf("%s answered %d, reached the app as %s", m, got.StatusCode, w.last().Method)
		}
	}
	if got := raw(t, w, "CONNECT "+host+":80 HTTP/1.1\r\nHost: "+host+":80\r\n\r\n"); got.StatusCode != 501 {
		t.Errorf("CONNECT answered %d, want 501", got.StatusCode)
	}
}

// TestOwnPagesMethods: HEAD is GET without a body, and what is not served is
// said to be so, with what is.
func TestOwnPagesMethods(t *testing.T) {
	w := newWorld(t)
	for target, want := range map[string]struct {
		status int
		allow  string
	}{
		"HEAD /.gateway/jwks.json": {200, ""}, "HEAD /.gateway/me": {401, ""}, "POST /.gateway/me": {405, "GET, HEAD"},
		"DELETE /.gateway/sign-out": {405, "GET, HEAD, POST"}, "POST /.gateway/callback": {405, "GET"}, "PUT /.gateway/none": {404, ""},
	} {
		got := raw(t, w, target+" HTTP/1.1\r\nHost: "+host+"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		if got.StatusCode != want.status || got.Header.Get("Allow") != want.allow {
			t.Errorf("%s answered %d, Allow %q; want %d, %q", target, got.StatusCode, got.Header.Get("Allow"), want.status, want.allow)
		}
	}
}

// TestUnfinishedBody: an answer of ours does not wait for a body that nobody
// reads, and the connection, out of step by then, is closed.
func TestUnfinishedBody(t *testing.T) {
	w := newWorld(t)
	for name, request := range map[string]string{
		"sign in first": "POST /x HTTP/1.1\r\nHost: " + host, "unknown host": "POST /x HTTP/1.1\r\nHost: nobody.example",
		"sign-out": "POST /.gateway/sign-out HTTP/1.1\r\nHost: " + host, "bad path": "POST /%2f HTTP/1.1\r\nHost: " + host,
	} {
		for _, accept := range []string{"*/*", safariPage} { // a problem, a page
			t.Run(name+" "+accept, func(t *testing.T) {
				got := raw(t, w, request+"\r\nAccept: "+accept+"\r\nContent-Length: 100\r\n\r\nabc")
				if got.StatusCode < 400 || !got.Close {
					t.Errorf("answered %d, closing %t", got.StatusCode, got.Close)
				}
			})
		}
	}
	if got := raw(t, w, "CONNECT x:1 HTTP/1.1\r\nHost: "+host+"\r\n\r\nGET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n"); !got.Close {
		t.Error("CONNECT leaves the connection open")
	}
}

// TestAdvisoryOpenRedirect (CVE-2017-1000070, CVE-2020-5233, CVE-2020-11053,
// CVE-2020-4037, CVE-2026-83589, CVE-2021-29651): no return address leaves the host.
func TestAdvisoryOpenRedirect(t *testing.T) {
	w := newWorld(t)
	origin := w.routes[0].Origin
	for _, to := range []string{"//evil.example/", "/\\evil.example", "/\t/evil.example", "/%09/evil.example", "https://evil.example/", "/..//evil.example",
		"/\r\nLocation: https://evil.example", "javascript:alert(1)", "", "@evil.example", "/x#@evil.example", "/%5cevil.example"} {
		b := w.browser()
		back := b.signIn(origin+"/.gateway/login?to="+url.QueryEscape(to), teams[0], "U0PAUL")
		if got := back.Header.Get("Location"); back.StatusCode != 302 || !strings.HasPrefix(got, origin+"/") {
			t.Errorf("to=%q ended on %d %q", to, back.StatusCode, got)
		}
	}
	// A page whose own path looks like another host is opened under this host.
	b := w.browser()
	back := b.signIn(origin+"//evil.example/%2e", teams[0], "U0PAUL")
	if got := back.Header.Get("Location"); got != origin+"//evil.example/" {
		t.Errorf("ended on %q", got)
	}
}

func TestDeniedPageForMembers(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signIn(w.routes[0].Origin+"/", teams[0], "U0PAUL")
	if got := b.get(w.routes[0].Origin + "/admin/x"); got.StatusCode != 403 || !strings.Contains(got.text, "You may not open this page") {
		t.Errorf("answered %d %s", got.StatusCode, title(got.text))
	}
	m := w.browser()
	m.signIn(w.routes[0].Origin+"/", teams[0], "U0MARIE")
	if got := m.get(w.routes[0].Origin + "/admin/x"); got.StatusCode != 200 {
		t.Errorf("marie: %d", got.StatusCode)
	}
}

// TestAdvisoryForwardedForIsNotBelieved (CVE-2026-76835, CVE-2024-21494 and
// kin): nobody's X-Forwarded-For counts unless they are listed.
func TestAdvisoryForwardedForIsNotBelieved(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for name, row := range map[string]struct {
		trusted             []netip.Prefix
		sent, chain, client string
	}{
		"nobody is trusted":         {nil, "6.6.6.6, 7.7.7.7", "127.0.0.1", "127.0.0.1"},
		"the peer is":               {trusted, "6.6.6.6, 7.7.7.7", "7.7.7.7, 127.0.0.1", "7.7.7.7"},
		"two proxies":               {trusted, "6.6.6.6, 127.9.9.9", "6.6.6.6, 127.9.9.9, 127.0.0.1", "6.6.6.6"},
		"with a port":               {trusted, "7.7.7.7:4711", "7.7.7.7:4711, 127.0.0.1", "7.7.7.7"},
		"no address is nobody's":    {trusted, "unknown", "unknown, 127.0.0.1", "invalid IP"},
		"rubbish before a proxy":    {trusted, "6.6.6.6, <b>,127.9.9.9", "unknown,127.9.9.9, 127.0.0.1", "invalid IP"},
		"rubbish is not passed on":  {trusted, "7.7.7.7, <b>", "unknown, 127.0.0.1", "invalid IP"},
		"nothing sent is the proxy": {trusted, "", "127.0.0.1", "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *gateway.Config) { c.TrustedProxies = row.trusted })
			w.browser().get(w.routes[0].Origin+"/public/x", "X-Forwarded-For", row.sent, "X-Real-IP", "6.6.6.6")
			if got := w.last().Header.Get("X-Forwarded-For"); got != row.chain {
				t.Errorf("the app got %q, want %q", got, row.chain)
			}
			if want := fmt.Sprintf(`"client":%q`, row.client); !strings.Contains(w.log.String(), want) {
				t.Errorf("no access line with %s", want)
			}
		})
	}
}

func TestSignOut(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	origin := w.routes[0].Origin
	b.signIn(origin+"/", teams[0], "U0PAUL")
	u, _ := url.Parse(origin)
	stolen := b.Jar.Cookies(u)

	if page := b.get(origin + "/.gateway/"); page.StatusCode != 200 || !strings.Contains(page.text, "paul@agrafmania.fr") || !strings.Contains(page.text, `action="/.gateway/sign-out"`) {
		t.Fatalf("account page: %d %s", page.StatusCode, page.text)
	}
	// Another tenant's page is same-site to the browser: its form brings the cookie.
	for _, foreign := range []string{w.routes[1].Origin, "null", "https://evil.example"} {
		if got := b.do("POST", origin+"/.gateway/sign-out", nil, "Origin", foreign); got.StatusCode != 403 {
			t.Errorf("sign-out from %s answered %d, want 403", foreign, got.StatusCode)
		}
	}
	if got := b.get(origin + "/.gateway/sign-out"); got.StatusCode != 200 || b.get(origin+"/").StatusCode != 200 {
		t.Errorf("a mere GET signed out (%d)", got.StatusCode)
	}
	got := b.do("POST", origin+"/.gateway/sign-out", nil, "Origin", origin)
	if got.StatusCode != 303 || got.Header.Get("Clear-Site-Data") == "" {
		t.Fatalf("sign-out answered %d", got.StatusCode)
	}
	if page := b.get(got.Header.Get("Location")); page.StatusCode != 200 || !strings.Contains(page.text, "You are signed out") {
		t.Errorf("signed-out page: %d", page.StatusCode)
	}
	thief := w.browser()
	thief.Jar.SetCookies(u, stolen)
	if got := thief.get(origin + "/"); got.StatusCode != 302 {
		t.Errorf("a copy of the cookie still answers %d", got.StatusCode)
	}
}

// TestSessionEnds: by age, by idleness (which only pages renew), by another
// host, another workspace, by a changed bit.
func TestSessionEnds(t *testing.T) {
	times := gateway.SessionTimes{Lifetime: 3 * time.Hour, Idle: time.Hour}
	set := func(c *gateway.Config) { c.Session = times }
	signedIn := func(t *testing.T) (*world, *browser, string) {
		w := newWorld(t, set)
		b := w.browser()
		b.signIn(w.routes[0].Origin+"/", teams[0], "U0PAUL")
		return w, b, w.routes[0].Origin + "/"
	}
	t.Run("pages slide, up to the lifetime", func(t *testing.T) {
		w, b, page := signedIn(t)
		for range 3 {
			w.advance(50 * time.Minute)
			if got := b.get(page); got.StatusCode != 200 {
				t.Fatalf("answered %d while in use", got.StatusCode)
			}
		}
		w.advance(31 * time.Minute)
		if got := b.get(page); got.StatusCode != 302 {
			t.Errorf("answered %d after the lifetime", got.StatusCode)
		}
	})
	t.Run("background requests do not slide", func(t *testing.T) {
		w, b, page := signedIn(t)
		w.advance(50 * time.Minute)
		if got := b.get(page, "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"); got.StatusCode != 200 || len(got.Cookies()) != 0 {
			t.Errorf("answered %d with %v", got.StatusCode, got.Cookies())
		}
		w.advance(11 * time.Minute)
		if got := b.get(page); got.StatusCode != 302 {
			t.Errorf("answered %d after idling", got.StatusCode)
		}
	})
	t.Run("worthless elsewhere and when changed", func(t *testing.T) {
		w, b, _ := signedIn(t)
		u, _ := url.Parse(w.routes[0].Origin)
		value := b.Jar.Cookies(u)[0].Value
		for name, c := range map[string]struct{ origin, value string }{
			"other route": {w.routes[1].Origin, value}, "truncated": {w.routes[0].Origin, value[:len(value)-4]},
			"flipped": {w.routes[0].Origin, flip(value)}, "empty": {w.routes[0].Origin, ""}, "rubbish": {w.routes[0].Origin, "AAAA"},
		} {
			if got := w.browser().get(c.origin+"/", "Cookie", "gw="+c.value); got.StatusCode != 302 {
				t.Errorf("%s: answered %d, want 302", name, got.StatusCode)
			}
		}
		if got := w.browser().get(w.routes[0].Origin+"/", "Cookie", "gw="+value); got.StatusCode != 200 {
			t.Errorf("baseline: answered %d", got.StatusCode)
		}
	})
}

func flip(s string) string {
	b := []byte(s)
	if b[len(b)/2] == 'A' {
		b[len(b)/2] = 'B'
	} else {
		b[len(b)/2] = 'A'
	}
	return string(b)
}

// TestRowsAreRemoved: what the store keeps of sessions ends with them.
func TestRowsAreRemoved(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	origin := w.routes[0].Origin
	rows := func() (sessions, revocations int) {
		t.Helper()
		must(t, w.store.Read().QueryRow(`SELECT (SELECT COUNT(*) FROM session), (SELECT COUNT(*) FROM revocation)`).Scan(&sessions, &revocations))
		return sessions, revocations
	}
	b.signIn(origin+"/", teams[0], "U0PAUL")
	w.browser().signIn(origin+"/", teams[0], "U0PAUL")
	b.do("POST", origin+"/.gateway/sign-out", nil, "Origin", origin)
	must(t, w.gateway.Prune(context.Background()))
	if s, r := rows(); s != 1 || r != 1 {
		t.Errorf("%d sessions and %d revocations while one lives, want 1 and 1", s, r)
	}
	w.advance((12 + 72) * time.Hour) // a revocation holds as long as a cookie can tell of its session
	must(t, w.gateway.Prune(context.Background()))
	if s, r := rows(); s != 0 || r != 0 {
		t.Errorf("%d sessions and %d revocations when all are over", s, r)
	}
}

// TestStoreUnreachable: the last known list of revocations holds for ten
// minutes, then nobody is let in, until the store answers again.
func TestStoreUnreachable(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	page := w.routes[0].Origin + "/"
	b.signIn(page, teams[0], "U0PAUL")
	for _, step := range []struct {
		pass time.Duration
		want int
	}{{9 * time.Minute, 200}, {2 * time.Minute, 503}} {
		w.lose(step.pass)
		if got := b.get(page); got.StatusCode != step.want {
			t.Errorf("answered %d, want %d", got.StatusCode, step.want)
		}
	}
	w.advance(0)
	if got := b.get(page); got.StatusCode != 200 {
		t.Errorf("answered %d with the store back, want 200", got.StatusCode)
	}
}

// TestRestartKeepsSessions: a second gateway on the same store and keys knows
// who is signed in, and who was signed out.
func TestRestartKeepsSessions(t *testing.T) {
	var conf gateway.Config
	w := newWorld(t, func(c *gateway.Config) { conf = *c })
	in, out := w.browser(), w.browser()
	origin := w.routes[0].Origin
	in.signIn(origin+"/", teams[0], "U0PAUL")
	out.signIn(origin+"/", teams[0], "U0PAUL")
	u, _ := url.Parse(origin)
	kept := out.Jar.Cookies(u)
	out.do("POST", origin+"/.gateway/sign-out", nil, "Origin", origin)
	var err error
	if w.gateway, err = gateway.New(context.Background(), conf); err != nil {
		t.Fatal(err)
	}
	out.Jar.SetCookies(u, kept)
	if a, b := in.get(origin+"/").StatusCode, out.get(origin+"/").StatusCode; a != 200 || b != 302 {
		t.Errorf("after the restart: signed in %d (want 200), signed out %d (want 302)", a, b)
	}
}

// TestAdvisorySecondLoginGetsANewSession (CVE-2026-34454): nothing of an
// earlier session lives on in a later one, and while it lives no other one is
// put in its place.
func TestAdvisorySecondLoginGetsANewSession(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	origin := w.routes[0].Origin
	me := func(want string) {
		t.Helper()
		if got := b.get(origin + "/.gateway/me"); !strings.Contains(got.text, want) {
			t.Errorf("me = %s, want %s", got.text, want)
		}
	}
	begun := b.get(origin + "/other-tab")
	b.signIn(origin+"/", teams[0], "U0PAUL")
	u, _ := url.Parse(origin)
	first := b.Jar.Cookies(u)[0].Value
	late := b.pick(begun.Header.Get("Location"), teams[0], "U0MARIE")
	if got := b.get(late.Header.Get("Location")); got.Header.Get("Location") != origin+"/other-tab" || len(got.Cookies()) > 0 {
		t.Errorf("a late tab was answered %q with %v", got.Header.Get("Location"), got.Cookies())
	}
	me("U0PAUL")
	b.do("POST", origin+"/.gateway/sign-out", nil, "Origin", origin)
	b.signIn(origin+"/.gateway/login?to=/", teams[0], "U0MARIE")
	me("U0MARIE")
	if got := w.browser().get(origin+"/", "Cookie", "gw="+first); got.StatusCode != 302 {
		t.Errorf("the first session's cookie still answers %d", got.StatusCode)
	}
}

// TestOwnCookiesAreProxysOwn holds the names that this package gives its cookies
// and those that proxy keeps from the app together.
func TestOwnCookiesAreProxysOwn(t *testing.T) {
	for _, origin := range []string{"http://agrafmania.localhost:8080", "https://agrafmania.cocoom.com"} {
		for _, name := range gateway.CookieNames(&gateway.Route{Origin: origin}) {
			if !proxy.OwnCookie(name) {
				t.Errorf("proxy lets the cookie %s through", name)
			}
		}
	}
}
