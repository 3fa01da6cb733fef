package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/policy"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// inside is a world with its private listener.
type inside struct {
	*world
	private *httptest.Server
}

func newInside(t *testing.T, change ...func(*gateway.Config)) *inside {
	t.Helper()
	trusting := func(c *gateway.Config) { c.TrustedProxies = loopback }
	in := &inside{world: newWorld(t, append([]func(*gateway.Config){trusting}, change...)...)}
	in.private = httptest.NewServer(in.gateway.Private(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		fmt.Fprint(rw, "probe "+r.URL.Path)
	})))
	t.Cleanup(in.private.Close)
	return in
}

// question is a client's request as a proxy asks about it.
type question struct {
	method, host, uri string
	header            http.Header // the client's
	change            func(http.Header)
}

// page is a question about a page that a person opens.
func page(uri string) question {
	return question{method: "GET", host: host, uri: uri, header: http.Header{
		"Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}, "Accept": {"text/html"}, "Accept-Encoding": {"gzip"},
	}}
}

func (q question) with(name, value string) question {
	q.header = q.header.Clone()
	q.header.Set(name, value)
	return q
}

func (q question) changed(f func(http.Header)) question { q.change = f; return q }

// ask asks as Traefik's ForwardAuth does (pkg/middlewares/auth/forward.go): a
// GET with every header of the client but the hop-by-hop ones, and five of its
// own. Caddy and the nginx configuration in docs/forward-auth send the same four
// that matter.
func (in *inside) ask(path string, q question) answer {
	in.t.Helper()
	req, err := http.NewRequest("GET", in.private.URL+path, nil)
	if err != nil {
		in.t.Fatal(err)
	}
	req.Header = q.header.Clone()
	for _, name := range []string{"Connection", "Keep-Alive", "Te", "Trailers", "Transfer-Encoding", "Upgrade"} {
		req.Header.Del(name)
	}
	for name, value := range map[string]string{"Method": q.method, "Proto": "http", "Host": q.host, "Uri": q.uri, "For": "192.0.2.7"} {
		req.Header.Set("X-Forwarded-"+name, value)
	}
	if q.change != nil {
		q.change(req.Header)
	}
	return (&browser{in.world, http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}).send(req)
}

// cookieOf signs somebody in and gives what their browser sends.
func (in *inside) cookieOf(user string) string {
	in.t.Helper()
	b, origin := in.browser(), in.routes[0].Origin
	b.signIn(origin+"/", teams[0], user)
	u, err := url.Parse(origin)
	if err != nil {
		in.t.Fatal(err)
	}
	return "gw=" + b.Jar.Cookies(u)[0].Value
}

const auth, authNginx = "/.gateway/auth", "/.gateway/auth/nginx"

// TestForwardAuthDecidesAsTheFront: the same request, sent and asked about, gets
// the same answer, but that 200 stands for passing; nginx is told 401 or 403.
func TestForwardAuthDecidesAsTheFront(t *testing.T) {
	in := newInside(t)
	paul, marie := in.cookieOf("U0PAUL"), in.cookieOf("U0MARIE")
	fetch := question{"GET", host, "/x", http.Header{"Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"}, "Accept": {"*/*"}}, nil}
	form := page("/x")
	form.method = "POST"
	socket := fetch.with("Upgrade", "websocket").with("Connection", "Upgrade").with("Sec-Websocket-Key", "dGhlIHNhbXBsZSBub25jZQ==").with("Sec-Websocket-Version", "13")
	elsewhere := page("/x")
	elsewhere.host = "nobody.example"
	otherRoute := page("/x").with("Cookie", paul)
	otherRoute.host = other
	for name, row := range map[string]struct {
		question
		want, nginx int
	}{
		"page without session":          {page("/dossiers/12?q=50%&;x"), 302, 401},
		"fetch without session":         {fetch, 401, 401},
		"form without session":          {form, 401, 401},
		"public":                        {page("/public/logo.png"), 200, 200},
		"member":                        {page("/x").with("Cookie", paul), 200, 200},
		"member's fetch":                {fetch.with("Cookie", paul), 200, 200},
		"member's form":                 {form.with("Cookie", paul), 200, 200},
		"forged cookie":                 {page("/x").with("Cookie", paul[:len(paul)-2]+"xx"), 302, 401},
		"session of another host":       {otherRoute, 302, 401},
		"member where others may":       {page("/admin/x").with("Cookie", paul), 403, 403},
		"who may":                       {page("/admin/x").with("Cookie", marie), 200, 200},
		"WebSocket of ours":             {socket.with("Cookie", paul).with("Origin", in.routes[0].Origin), 200, 200},
		"WebSocket of another":          {socket.with("Cookie", paul).with("Origin", in.routes[1].Origin), 403, 403},
		"WebSocket of nobody":           {socket.with("Cookie", paul), 403, 403},
		"unknown host":                  {elsewhere, 421, 403},
		"our own pages":                 {page("/.gateway/me").with("Cookie", paul), 404, 403},
		"our own pages, merged slashes": {page("//.gateway/me").with("Cookie", paul), 404, 403},
		"the callback":                  {page("/.gateway/callback?code=x&state=y"), 404, 403},
		"encoded slash":                 {page("/public/..%2fadmin/x"), 400, 403},
		"encoded backslash":             {page("/public/..%5cadmin/x"), 400, 403},
		"private named in the query":    {page("/private?x=/public/"), 302, 401},
		"encoded fragment":              {page("/private%23/public/x"), 302, 401},
		"two slashes":                   {page("//evil.example/x"), 302, 401},
		"lower-case escape":             {page("/public/caf%c3%a9"), 200, 200},
	} {
		t.Run(name, func(t *testing.T) {
			if got := in.ask(auth, row.question); got.StatusCode != row.want {
				t.Errorf("forward auth answered %d, want %d: %s", got.StatusCode, row.want, got.text)
			}
			if got := in.ask(authNginx, row.question); got.StatusCode != row.nginx || got.Header.Get("Location") != "" || got.Header.Get("WWW-Authenticate") != "" {
				t.Errorf("nginx was answered %d, want %d", got.StatusCode, row.nginx)
			}
			if strings.HasPrefix(row.uri, "/.gateway/") {
				return // which the front serves
			}
			req, err := http.NewRequest(row.method, in.front.URL, nil)
			must(t, err)
			req.Host, req.Header = row.host, row.header
			req.URL.Opaque = row.uri
			if strings.HasPrefix(row.uri, "//") {
				return // which net/http's client does not send
			}
			if got := in.browser().send(req); got.StatusCode != row.want {
				t.Errorf("the front answered %d, want %d", got.StatusCode, row.want)
			}
		})
	}
}

// TestForwardAuthTellsTheApp: 200 brings what the app is to receive, the same
// as through the gateway, and always every header.
func TestForwardAuthTellsTheApp(t *testing.T) {
	in := newInside(t)
	cookie := in.cookieOf("U0PAUL")
	forged := func(h http.Header) {
		for _, name := range []string{"X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups", "X-Gateway-Team", "X-Gateway-Assertion"} {
			h.Set(name, "forged")
		}
	}
	for _, path := range []string{auth, authNginx} {
		got := in.ask(path, page("/x").with("Cookie", "PHPSESSID=1; "+cookie+"; b=2").changed(forged))
		for name, want := range map[string]string{"X-Forwarded-User": "U0PAUL", "X-Forwarded-Email": "paul@agrafmania.fr", "X-Forwarded-Preferred-Username": "Paul Martin",
			"X-Gateway-Team": teams[0], "X-Forwarded-Groups": "", "Cookie": "PHPSESSID=1; b=2", "Cache-Control": "no-store"} {
			if v := got.Header[name]; len(v) != 1 || v[0] != want {
				t.Errorf("%s is %q, want %q", name, v, want)
			}
		}
		request, err := http.NewRequest("GET", in.routes[0].Origin+"/x", nil)
		must(t, err)
		request.Header.Set("Cookie", cookie)
		in.browser().send(request)
		if through := in.last().Header.Get("X-Gateway-Assertion"); through == "" || got.Header.Get("X-Gateway-Assertion") != through {
			t.Errorf("assertion %q, through the gateway %q", got.Header.Get("X-Gateway-Assertion"), through)
		}
		public := in.ask(path, page("/public/x").changed(forged))
		for _, name := range []string{"X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Preferred-Username", "X-Forwarded-Groups", "X-Gateway-Team", "X-Gateway-Assertion", "Cookie"} {
			if v, there := public.Header[name]; !there || len(v) != 1 || v[0] != "" {
				t.Errorf("for nobody %s is %q, want it there and empty", name, v)
			}
		}
	}
}

// TestForwardAuthSlides: the idle time is renewed by pages, not by what they fetch.
func TestForwardAuthSlides(t *testing.T) {
	in := newInside(t)
	q := page("/x").with("Cookie", in.cookieOf("U0PAUL"))
	in.advance(30 * time.Minute)
	if got := in.ask(auth, q.with("Sec-Fetch-Dest", "empty").with("Sec-Fetch-Mode", "cors")); got.StatusCode != 200 || len(got.Cookies()) != 0 {
		t.Errorf("a fetch answered %d with %v", got.StatusCode, got.Cookies())
	}
	got := in.ask(auth, q)
	if len(got.Cookies()) != 1 || got.Cookies()[0].Name != "gw" {
		t.Fatalf("a page renewed the session with %v", got.Cookies())
	}
	in.advance(100 * time.Minute)
	if old := in.ask(auth, q); old.StatusCode != 302 {
		t.Errorf("the old cookie is still good after 130 minutes: %d", old.StatusCode)
	}
	if renewed := in.ask(auth, q.with("Cookie", "gw="+got.Cookies()[0].Value)); renewed.StatusCode != 200 {
		t.Errorf("the renewed cookie answered %d", renewed.StatusCode)
	}
}

// TestForwardAuthSignsIn: Traefik and Caddy hand the redirect and its cookie to
// the browser, which comes back to the public listener with both.
func TestForwardAuthSignsIn(t *testing.T) {
	in := newInside(t)
	b, origin := in.browser(), in.routes[0].Origin
	got := in.ask(auth, page(deepLink))
	u, err := url.Parse(origin)
	must(t, err)
	b.Jar.SetCookies(u, got.Cookies())
	back := b.land(b.get(b.pick(got.Header.Get("Location"), teams[0], "U0PAUL").Header.Get("Location")))
	if to := back.Header.Get("Location"); back.StatusCode != 302 || to != origin+deepLink {
		t.Errorf("ended on %d %q, want %q", back.StatusCode, to, origin+deepLink)
	}
}

// TestAdvisoryForwardedURI (CVE-2026-40575, CVE-2026-76835, CVE-2021-32637): who
// may describe a request, and a description that is not whole, never allow.
func TestAdvisoryForwardedURI(t *testing.T) {
	in := newInside(t)
	member := page("/x").with("Cookie", in.cookieOf("U0PAUL"))
	set := func(name string, values ...string) func(http.Header) {
		return func(h http.Header) {
			h.Del(name)
			for _, v := range values {
				h.Add(name, v)
			}
		}
	}
	for name, row := range map[string]struct {
		change func(http.Header)
		want   int
	}{
		"whole":                    {nil, 200},
		"no address":               {set("X-Forwarded-Uri"), 400},
		"empty address":            {set("X-Forwarded-Uri", ""), 400},
		"two addresses":            {set("X-Forwarded-Uri", "/public/x", "/x"), 400},
		"no method":                {set("X-Forwarded-Method"), 400},
		"two methods":              {set("X-Forwarded-Method", "GET", "GET"), 400},
		"no host":                  {set("X-Forwarded-Host"), 400},
		"two hosts":                {set("X-Forwarded-Host", host, other), 400},
		"two hosts in one":         {set("X-Forwarded-Host", host+", "+other), 421},
		"no client":                {set("X-Forwarded-For"), 400},
		"two clients":              {set("X-Forwarded-For", "127.0.0.1", "192.0.2.7"), 400},
		"no leading slash":         {set("X-Forwarded-Uri", "public/x"), 400},
		"another host's":           {set("X-Forwarded-Uri", "http://"+other+"/public/x"), 400},
		"an absolute one of ours":  {set("X-Forwarded-Uri", in.routes[0].Origin+"/public/x"), 400},
		"asterisk":                 {set("X-Forwarded-Uri", "*"), 400},
		"fragment":                 {set("X-Forwarded-Uri", "/public/x#/y"), 400},
		"control character":        {set("X-Forwarded-Uri", "/public/\tx"), 400},
		"bad escape":               {set("X-Forwarded-Uri", "/public/%zz"), 400},
		"dot segments":             {set("X-Forwarded-Uri", "/admin/../public/x"), 400},
		"encoded dot segments":     {set("X-Forwarded-Uri", "/admin/%2e%2e/public/x"), 400},
		"a dot segment":            {set("X-Forwarded-Uri", "/public/./x"), 400},
		"encoded slash":            {set("X-Forwarded-Uri", "/public/..%2fx"), 400},
		"CONNECT":                  {set("X-Forwarded-Method", "CONNECT"), 501},
		"underscores do not count": {set("X_Forwarded_Uri", "/admin/x"), 200},
		"other names do not count": {func(h http.Header) {
			h.Set("X-Original-Uri", "/admin/x")
			h.Set("X-Original-Method", "DELETE")
			h.Set("X-Http-Method-Override", "DELETE")
			h.Set("Forwarded", "host="+other)
		}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			nginx := row.want
			if nginx != 200 {
				nginx = 403
			}
			for path, want := range map[string]int{auth: row.want, authNginx: nginx} {
				if got := in.ask(path, member.changed(row.change)); got.StatusCode != want {
					t.Errorf("%s answered %d, want %d: %s", path, got.StatusCode, want, got.text)
				}
			}
		})
	}
}

// TestAdvisoryForwardAuthPeer (CVE-2026-76835): only a proxy that is named may
// ask; nobody is by default, loopback neither.
func TestAdvisoryForwardAuthPeer(t *testing.T) {
	for name, row := range map[string]struct {
		trusted []netip.Prefix
		want    int
	}{
		"nobody is":  {nil, 403},
		"another is": {[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, 403},
		"it is":      {loopback, 200},
	} {
		t.Run(name, func(t *testing.T) {
			in := newInside(t, func(c *gateway.Config) { c.TrustedProxies = row.trusted })
			// What it claims to be does not help it.
			q := page("/public/x").changed(func(h http.Header) { h.Set("X-Forwarded-For", "10.0.0.1") })
			for _, path := range []string{auth, authNginx} {
				got := in.ask(path, q)
				if _, told := got.Header["X-Forwarded-User"]; got.StatusCode != row.want || told != (row.want == 200) {
					t.Errorf("%s answered %d (identity: %t), want %d", path, got.StatusCode, told, row.want)
				}
			}
			if logged := strings.Contains(in.log.String(), "127.0.0.1 is not in trusted_proxies"); logged != (row.want == 403) {
				t.Errorf("log: %s", in.log)
			}
		})
	}
}

// TestForwardAuthClientAddress: networks in policy are about the client that the
// proxy names, not about the proxy.
func TestForwardAuthClientAddress(t *testing.T) {
	in := newInside(t, func(c *gateway.Config) {
		rules, err := policy.New([]policy.Rule{{Path: "/**", Allow: policy.Allow{CIDRs: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("127.0.0.0/8")}}}}, false)
		must(t, err)
		c.Routes[0].Policy = rules
	})
	for client, want := range map[string]int{"192.0.2.7": 200, "198.51.100.1": 403, "192.0.2.7, 198.51.100.1": 403, "rubbish": 403} {
		got := in.ask(auth, page("/x").changed(func(h http.Header) { h.Set("X-Forwarded-For", client) }))
		if got.StatusCode != want {
			t.Errorf("client %q was answered %d, want %d", client, got.StatusCode, want)
		}
	}
}

// TestAdvisoryPublicListener (CVE-2026-40575): on the public listener there is
// no forward auth, and its headers change nothing.
func TestAdvisoryPublicListener(t *testing.T) {
	in := newInside(t)
	origin := in.routes[0].Origin
	headers := []string{"X-Forwarded-Uri", "/public/x", "X-Forwarded-Method", "GET", "X-Forwarded-Host", host, "X-Forwarded-For", "192.0.2.7"}
	for path, want := range map[string]int{auth: 404, authNginx: 404, "/livez": 302, "/routes/" + host + "/v1/notifications": 302, "/x": 302} {
		if got := in.browser().get(origin+path, headers...); got.StatusCode != want {
			t.Errorf("%s answered %d, want %d", path, got.StatusCode, want)
		}
	}
	if in.last() != nil {
		t.Errorf("the app got %s", in.last().RequestURI)
	}
}

// TestRouteWithoutUpstream: where another proxy carries the requests, the front
// still says who has to sign in, but serves no app.
func TestRouteWithoutUpstream(t *testing.T) {
	in := newInside(t, func(c *gateway.Config) {
		c.Routes[0].Identifier, c.Routes[0].Upstream = c.Routes[0].Upstream.Identifier, nil
	})
	cookie, origin := in.cookieOf("U0PAUL"), in.routes[0].Origin
	for name, row := range map[string]struct {
		path, cookie string
		want         int
	}{"page": {"/x", "", 302}, "denied": {"/admin/x", cookie, 403}, "allowed": {"/x", cookie, 404}, "public": {"/public/x", "", 404}, "ours": {"/.gateway/me", cookie, 200}} {
		if got := in.browser().get(origin+row.path, "Cookie", row.cookie); got.StatusCode != row.want {
			t.Errorf("%s answered %d, want %d", name, got.StatusCode, row.want)
		}
	}
	if got := in.ask(auth, page("/x").with("Cookie", cookie)); got.StatusCode != 200 || got.Header.Get("X-Forwarded-User") != "U0PAUL" {
		t.Errorf("forward auth answered %d about %q", got.StatusCode, got.Header.Get("X-Forwarded-User"))
	}
	in.advance(3 * time.Hour)
	form := in.browser().do("POST", origin+"/save", strings.NewReader("a=b"), "Cookie", cookie, "Content-Type", urlencoded, "Origin", origin)
	if form.StatusCode != 401 || !strings.Contains(form.text, "was not sent") {
		t.Errorf("a form that nothing could send later answered %d %s", form.StatusCode, title(form.text))
	}
}

// TestForwardAuthBindsNoCookies: where the app's cookies are bound to people,
// they must not go round the gateway.
func TestForwardAuthBindsNoCookies(t *testing.T) {
	in := newInside(t, func(c *gateway.Config) { c.Routes[0].Login.AppCookies = []string{"PHPSESSID"} })
	for _, path := range []string{auth, authNginx} {
		if got := in.ask(path, page("/public/x")); got.StatusCode != 403 {
			t.Errorf("%s answered %d for a route whose app's cookies are bound", path, got.StatusCode)
		}
	}
	other := page("/public/x")
	other.host = in.routes[1].Host
	if got := in.ask(auth, other); got.StatusCode != 200 {
		t.Errorf("another route: answered %d", got.StatusCode)
	}
	if !strings.Contains(in.log.String(), "which only the gateway on the way can do") {
		t.Error("the log does not say why")
	}
}

// TestForwardAuthCallback: where Slack sends people back to is the gateway's,
// wherever it stands; nginx sends what is refused to the public listener.
func TestForwardAuthCallback(t *testing.T) {
	in := newInside(t, func(c *gateway.Config) { c.Routes[1].Login = &gateway.Login{Callback: "/public/back"} })
	q := page("/public/back?code=x&state=y")
	q.host = other
	if full, nginx := in.ask(auth, q).StatusCode, in.ask(authNginx, q).StatusCode; full != 404 || nginx != 403 {
		t.Errorf("answered %d and %d, want 404 and 403", full, nginx)
	}
	if got := in.browser().get(in.routes[1].Origin + q.uri); got.StatusCode != 400 {
		t.Errorf("the public listener answered %d, want the callback's 400", got.StatusCode)
	}
}

// TestPrivateListener: what is there, and nothing else.
func TestPrivateListener(t *testing.T) {
	in := newInside(t, func(c *gateway.Config) {
		c.Routes[0].Notify = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(rw, "%s %s %s", r.Method, r.URL.RequestURI(), r.Header.Get("X-Request-Id"))
		})
	})
	for _, row := range []struct {
		request string
		status  int
		text    string
	}{
		{"GET /livez", 200, "probe /livez"},
		{"GET /readyz", 200, "probe /readyz"},
		{"GET /.gateway/jwks.json", 200, `"kid"`},
		{"POST /.gateway/jwks.json", 405, "method_not_allowed"},
		{"POST /routes/" + host + "/v1/notifications?dry_run=1", 200, "POST /v1/notifications?dry_run=1 "},
		{"POST /routes/" + strings.ToUpper(host) + ".:80/v1/notifications", 200, "POST /v1/notifications "},
		{"POST /routes/" + other + "/v1/notifications", 404, "unknown_route"},
		{"POST /routes/nobody.example/v1/notifications", 404, "unknown_route"},
		{"POST /routes/", 404, "unknown_route"},
		{"POST /.gateway/v1/notifications", 404, "not_found"},
		{"GET /.gateway/login", 404, "not_found"},
		{"GET /.gateway/auth/", 404, "not_found"},
		{"GET /metrics", 404, "not_found"},
		{"GET /", 404, "not_found"},
		{"GET /x/../livez", 404, "not_found"},
	} {
		method, path, _ := strings.Cut(row.request, " ")
		req, err := http.NewRequest(method, in.private.URL, nil)
		must(t, err)
		req.URL.Opaque = path
		got := in.browser().send(req)
		if got.StatusCode != row.status || !strings.Contains(got.text, row.text) {
			t.Errorf("%s answered %d %s, want %d %s", row.request, got.StatusCode, got.text, row.status, row.text)
		}
	}
}

// TestForwardAuthLog: the access line is about the request that was asked about.
func TestForwardAuthLog(t *testing.T) {
	in := newInside(t)
	in.ask(auth, page("/admin/x?secret=1").with("Cookie", in.cookieOf("U0PAUL")))
	lines := strings.Split(strings.TrimSpace(in.log.String()), "\n")
	var got map[string]any
	must(t, json.Unmarshal([]byte(lines[len(lines)-1]), &got))
	for key, want := range map[string]any{"forward_auth": true, "method": "GET", "path": "/admin/x", "status": 403.0, "client": "192.0.2.7", "route": host,
		"decision": "deny", "reason": "not_allowed", "user": "U0PAUL"} {
		if got[key] != want {
			t.Errorf("%s is %v, want %v", key, got[key], want)
		}
	}
	if strings.Contains(lines[len(lines)-1], "secret") {
		t.Error("the query is logged")
	}
}

// TestSavedFormWithoutUpstream: where another proxy carries requests to the app,
// the button of a saved form would go past us.
func TestSavedFormWithoutUpstream(t *testing.T) {
	in := newInside(t, func(c *gateway.Config) {
		rt := &c.Routes[0]
		rt.Identifier, rt.Upstream = rt.Upstream.Identifier, nil
	})
	b, at := in.browser(), in.routes[0].Origin
	b.signIn(at+"/.gateway/", teams[0], "U0PAUL")
	in.advance(3 * time.Hour)
	got := b.do("POST", at+"/save", strings.NewReader("a=b"), "Content-Type", urlencoded, "Origin", at, "Referer", at+"/edit")
	if got.StatusCode != 401 || !strings.Contains(got.text, "the form was not sent") {
		t.Errorf("answered %d to %s %s", got.StatusCode, got.Header.Get("Location"), title(got.text))
	}
}
