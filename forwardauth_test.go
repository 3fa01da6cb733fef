package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"
	"github.com/goccy/go-yaml"
)

const deepLink = "/dossiers/12?onglet=notes&q=50%&b=2;c"

// TestForwardAuthNginx and TestForwardAuthCaddy put the proxies themselves, with
// the configurations that are shipped, before an app.
func TestForwardAuthNginx(t *testing.T) {
	t.Parallel()
	b := newBehind(t)
	b.startNginx()
	b.everything(t)
}

func TestForwardAuthCaddy(t *testing.T) {
	t.Parallel()
	b := newBehind(t)
	b.startCaddy()
	b.everything(t)
}

func (b *behind) everything(t *testing.T) {
	marie := b.visitor()
	for _, step := range []struct {
		name string
		run  func(*testing.T, *visitor)
	}{
		{"nobody", b.nobody}, {"sign in", b.signsIn}, {"forged headers", b.forged}, {"forms", b.forms}, {"denied", b.denied},
		{"paths", b.paths}, {"descriptions", b.descriptions}, {"WebSocket", b.sockets}, {"credentials", b.credentials}, {"nominations", b.nominations}, {"renewal", b.renewal}, {"sign out", b.signsOut},
	} {
		if !t.Run(step.name, func(t *testing.T) { b.t = t; step.run(t, marie) }) {
			break
		}
	}
	b.t = t
}

// nobody sees what is public, and is asked to sign in to the rest.
func (b *behind) nobody(t *testing.T, v *visitor) {
	if resp, _ := v.visit("GET", b.origin+"/public/logo.png?v=1", ""); resp.StatusCode != 200 || b.last().RequestURI != "/public/logo.png?v=1" {
		t.Errorf("a public page answered %d", resp.StatusCode)
	}
	before := b.last()
	resp, text := v.visit("GET", b.origin+"/x", "", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Accept", "*/*")
	var problem struct {
		Code     string
		LoginURL string `json:"login_url"`
	}
	if err := json.Unmarshal([]byte(text), &problem); err != nil || resp.StatusCode != 401 || problem.Code != "sign_in_required" || !strings.HasPrefix(problem.LoginURL, b.origin+"/.gateway/login?to=") {
		t.Errorf("a fetch got %d %s (%v)", resp.StatusCode, text, err)
	}
	if challenge := resp.Header.Values("WWW-Authenticate"); len(challenge) != 1 {
		t.Errorf("a fetch got the challenges %q", challenge)
	}
	if resp, text := v.visit("POST", b.origin+"/save", "text=written"); resp.StatusCode != 401 || !strings.Contains(text, "form") {
		t.Errorf("a form got %d %s", resp.StatusCode, text)
	}
	if b.last() != before {
		t.Errorf("the app got %s", b.last().RequestURI)
	}
}

// signsIn ends on the very address, and the app knows who it is.
func (b *behind) signsIn(t *testing.T, v *visitor) {
	v.signIn(b.origin+deepLink, "U0MARIE")
	resp, _ := v.visit("GET", b.origin+deepLink, "", "Cookie", cookies(v, b.origin)+"; other=1; big="+strings.Repeat("x", 5000))
	got := b.last()
	if resp.StatusCode != 200 || got.RequestURI != deepLink || !strings.HasPrefix(got.Host, customers[0].Host) {
		t.Fatalf("%d; the app got %s at %s", resp.StatusCode, got.RequestURI, got.Host)
	}
	if claims := b.assertion(got.Header.Get("X-Gateway-Assertion")); claims["sub"] != "U0MARIE" || claims["email"] != "marie@agrafmania.fr" {
		t.Errorf("assertion: %v", claims)
	}
	if got.Header.Get("X-Forwarded-Email") != "marie@agrafmania.fr" || got.Header.Get("X-Request-Id") == "" || got.Header.Get("X-Forwarded-For") != "127.0.0.1" {
		t.Errorf("the app got %v", got.Header)
	}
	if cookie := got.Header.Get("Cookie"); strings.Contains(cookie, "gw=") || !strings.Contains(cookie, "other=1; big=x") {
		t.Errorf("the app got the cookies %.100q", cookie)
	}
	if len(resp.Header.Values("Set-Cookie")) != 1 || resp.Header.Get("Cookie") != "" || resp.Header.Get("X-Forwarded-User") != "" {
		t.Errorf("the browser got %v", resp.Header)
	}
}

// cookies is what the visitor's browser sends.
func cookies(v *visitor, origin string) string {
	req, err := http.NewRequest("GET", origin, nil)
	if err != nil {
		v.b.t.Fatal(err)
	}
	for _, c := range v.Jar.Cookies(req.URL) {
		req.AddCookie(c)
	}
	return req.Header.Get("Cookie")
}

// identity is what the gateway's headers are for PHP, and what they must hold.
var identity = map[string]string{
	"x-forwarded-user": "U0MARIE", "x-forwarded-email": "marie@agrafmania.fr", "x-forwarded-preferred-username": "Marie Dupont",
	"x-forwarded-groups": "", "x-gateway-team": "T0AGRAF001", "x-gateway-assertion": "eyJ",
}

// overrides make an old framework see another request, or person, than was
// decided about.
var overrides = strings.Fields(`x-original-url x-original-uri x-original-host x-rewrite-url x-http-method-override x-http-method x-method-override
	x-forwarded-uri x-forwarded-method x-forwarded-prefix x-forwarded-port x-forwarded-server x-forwarded-ssl x-forwarded-scheme x-forwarded x-host
	remote-user remote-email remote-name remote-groups x-remote-user x-remote-email x-auth-request-user x-auth-request-email
	forwarded forwarded-for client-ip x-client-ip true-client-ip x-cluster-client-ip front-end-https x-url-scheme proxy`)

// writtenInFront are those that the proxy in front writes itself.
var writtenInFront = []string{"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id"}

// spellings gives every name that PHP would take for the header.
func spellings(name string) []string {
	out := []string{""}
	for _, part := range strings.Split(name, "-") {
		var longer []string
		for _, begun := range out {
			for _, separator := range []string{"-", "_", "."} {
				longer = append(longer, begun+separator+strings.ToUpper(part[:1])+part[1:])
				if begun == "" {
					longer[len(longer)-1] = part
					break
				}
			}
		}
		out = longer
	}
	return out
}

// forged headers of the client do not arrive, in any spelling (CVE-2026-30851,
// CVE-2026-39858, CVE-2025-64484), with a session and without.
func (b *behind) forged(t *testing.T, v *visitor) {
	var header []string
	for name := range identity {
		for _, spelling := range spellings(name) {
			header = append(header, spelling, "forged")
		}
	}
	for _, name := range slices.Concat(overrides, writtenInFront) {
		for _, spelling := range spellings(name) {
			header = append(header, spelling, "forged")
		}
	}
	// These the shipped Caddyfile uses on the way; elsewhere they mean nothing.
	header = append(header, "X-Gateway-Cookie", "gw=planted", "X-Gateway-Set-Cookie", "gw=planted")
	for who, visitor := range map[string]*visitor{"somebody": v, "nobody": b.visitor()} {
		resp, _ := visitor.visit("GET", b.origin+"/public/"+who, "", header...)
		got := b.last()
		if resp.StatusCode != 200 || got.RequestURI != "/public/"+who {
			t.Fatalf("%s was answered %d", who, resp.StatusCode)
		}
		for name, values := range got.Header {
			folded := regexp.MustCompile(`[^a-z0-9]`).ReplaceAllString(strings.ToLower(name), "-")
			want, ours := identity[folded]
			if who == "nobody" {
				want = ""
			}
			good := len(values) == 1 && (values[0] == want || want == "eyJ" && strings.HasPrefix(values[0], want))
			if ours && !good || strings.Contains(strings.Join(values, ","), "forged") {
				t.Errorf("as %s the app got %s: %q", who, name, values)
			}
		}
		if sent, set := got.Header.Get("Cookie"), resp.Header.Values("Set-Cookie"); strings.Contains(sent+strings.Join(set, ","), "planted") {
			t.Errorf("the app got the cookies %q, the browser %q", sent, set)
		}
	}
}

// forms arrive whole.
func (b *behind) forms(t *testing.T, v *visitor) {
	if resp, text := v.visit("POST", b.origin+"/save?a=1", "text=written"); resp.StatusCode != 200 || b.last().Method != "POST" || !strings.Contains(text, "text=written") {
		t.Errorf("a form got %d %s", resp.StatusCode, text)
	}
}

// denied is the gateway's own page.
func (b *behind) denied(t *testing.T, v *visitor) {
	before := b.last()
	if resp, text := v.visit("GET", b.origin+"/admin/x", ""); resp.StatusCode != 403 || !strings.Contains(text, "You may not open this page") {
		t.Errorf("answered %d %s", resp.StatusCode, text)
	}
	if b.last() != before {
		t.Error("the app got it")
	}
}

// raw sends a request as it is written, and gives the answer's status.
func (b *behind) raw(t *testing.T, request string) int {
	t.Helper()
	conn, err := net.Dial("tcp", loopback(b.port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, request)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// paths that two readers could take for different ones reach nobody's app
// without a session (CVE-2026-33494, CVE-2026-41059, CVE-2026-40912).
func (b *behind) paths(t *testing.T, _ *visitor) {
	before := b.last()
	for _, target := range []string{"/public/../x", "/public/%2e%2e/x", "/public/..%2fx", "/public/..%5cx", "/x/../public/y", "/x/%2e%2e/public/y", "/public/..;/x",
		"/public/%00", "/x#/public/y", "/x%23/../public/y", "/x?/public/", "//public/y", "/PUBLIC/y", "http://evil.example/public/y", "/.gateway/auth", "/.gateway/auth/nginx",
		"/.gateway/%61uth", "//.gateway/auth", "/.GATEWAY/auth", "/livez", "/routes/" + customers[0].Host + "/v1/notifications"} {
		status := b.raw(t, "GET "+target+" HTTP/1.1\r\nHost: "+customers[0].Host+"\r\nAccept: text/html\r\nX-Forwarded-Uri: /public/y\r\nConnection: close\r\n\r\n")
		nowhere := strings.HasPrefix(target, "http:") // to Caddy no site of it: an empty 200
		if status == 200 && !nowhere || b.last() != before {
			t.Errorf("%s was answered %d; the app got %s last", target, status, b.last().RequestURI)
		}
	}
}

// descriptions of the request that a client sends itself change nothing
// (CVE-2026-40575, CVE-2024-45410).
func (b *behind) descriptions(t *testing.T, _ *visitor) {
	before := b.last()
	for name, header := range map[string]string{
		"address":           "X-Forwarded-Uri: /public/y",
		"twice":             "X-Forwarded-Uri: /public/y\r\nX-Forwarded-Uri: /public/y",
		"in lower case":     "x-forwarded-uri: /public/y\r\nx-forwarded-method: OPTIONS",
		"with underscores":  "X_Forwarded_Uri: /public/y",
		"original":          "X-Original-URI: /public/y\r\nX-Original-URL: /public/y\r\nX-Rewrite-URL: /public/y",
		"method":            "X-HTTP-Method-Override: OPTIONS\r\nX-Forwarded-Method: OPTIONS",
		"client":            "X-Forwarded-For: 127.0.0.1\r\nX-Real-IP: 127.0.0.1",
		"hop by hop":        "Connection: close, X-Forwarded-Uri, X-Forwarded-Host, X-Forwarded-Method\r\nX-Forwarded-Uri: /public/y",
		"empty hop by hop":  "Connection: close, X-Forwarded-Uri, X-Forwarded-For",
		"identity":          "X-Forwarded-User: U0MARIE\r\nX-Gateway-Assertion: eyJ",
		"another handshake": "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nOrigin: http://evil.example",
	} {
		status := b.raw(t, "GET /x HTTP/1.1\r\nHost: "+customers[0].Host+"\r\nAccept: text/html\r\n"+header+"\r\n\r\n")
		if status < 300 || status >= 500 || b.last() != before {
			t.Errorf("%s: answered %d; the app got %s", name, status, b.last().RequestURI)
		}
	}
}

// sockets pass with a session, from the app's own pages only.
func (b *behind) sockets(t *testing.T, v *visitor) {
	for origin, want := range map[string]int{b.origin: 101, "http://evil.example": 403, "": 403} {
		header := http.Header{"Cookie": {cookies(v, b.origin)}}
		if origin != "" {
			header.Set("Origin", origin)
		}
		client := v.Client
		client.Jar = nil
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		conn, resp, err := websocket.Dial(ctx, b.origin+"/socket", &websocket.DialOptions{HTTPClient: &client, HTTPHeader: header})
		if resp == nil || resp.StatusCode != want {
			t.Errorf("from %q: %v, %v; want %d", origin, resp, err, want)
			continue
		}
		if err != nil {
			continue
		}
		if _, said, err := conn.Read(ctx); err != nil || string(said) != "U0MARIE" {
			t.Errorf("the app said %q (%v)", said, err)
		}
		conn.CloseNow()
	}
}

// credentials reach the app, but for a service token, which goes no further than
// the gateway (CVE-2024-47616).
func (b *behind) credentials(t *testing.T, v *visitor) {
	for name, row := range map[string]struct{ path, given, want string }{
		"of the app's own":         {"/x", "Basic bGVhOm1kcA==", "Basic bGVhOm1kcA=="},
		"of nobody":                {"/public/x", "Bearer abc", "Bearer abc"},
		"none":                     {"/public/x", "", ""},
		"service token":            {"/cron/nightly", "Bearer " + b.token, ""},
		"service token as a login": {"/cron/nightly", "Basic " + base64.StdEncoding.EncodeToString([]byte("cron:"+b.token)), ""},
	} {
		who, header := v, []string{}
		if row.given != "" {
			header = []string{"Authorization", row.given}
		}
		if strings.HasPrefix(row.path, "/cron/") {
			who = b.visitor()
		}
		resp, _ := who.visit("GET", b.origin+row.path, "", header...)
		got := b.last()
		if values := got.Header["Authorization"]; resp.StatusCode != 200 || got.RequestURI != row.path || strings.Join(values, "|") != row.want || len(values) > 0 && row.want == "" {
			t.Errorf("%s: answered %d; at %s the app got %q", name, resp.StatusCode, got.RequestURI, values)
		}
	}
}

// nominations: what a client names in Connection reaches the app all the same
// (GHSA-w9mr-28mw-j8hg, CVE-2024-45410).
func (b *behind) nominations(t *testing.T, v *visitor) {
	for _, connection := range []string{"close, X-Forwarded-User, X-Gateway-Assertion", "close\r\nconnection: x-forwarded-user,x-gateway-assertion",
		"close, Upgrade, X-Forwarded-User, X-Gateway-Assertion\r\nUpgrade: h2c"} {
		status := b.raw(t, "GET /x HTTP/1.1\r\nHost: "+customers[0].Host+"\r\nCookie: "+cookies(v, b.origin)+"\r\nConnection: "+connection+"\r\n\r\n")
		if got := b.last().Header; status != 200 || got.Get("X-Forwarded-User") != "U0MARIE" || got.Get("X-Gateway-Assertion") == "" {
			t.Errorf("%q: answered %d; the app got %v", connection, status, got)
		}
	}
}

// renewal: the session's new cookie reaches the browser beside the app's own,
// and never the app. The idle time is a minute, so it is renewed after 3 seconds.
func (b *behind) renewal(t *testing.T, v *visitor) {
	old := cookies(v, b.origin)
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		resp, _ := v.visit("GET", b.origin+"/x", "")
		if resp.StatusCode != 200 || strings.Contains(fmt.Sprint(b.last().Header), "gw=") {
			t.Fatalf("answered %d; the app got %v", resp.StatusCode, b.last().Header)
		}
		if cookies(v, b.origin) == old {
			continue
		}
		if got := resp.Header.Values("Set-Cookie"); len(got) != 2 {
			t.Errorf("the browser got %q", got)
		}
		return
	}
	t.Error("the session is never renewed")
}

// signsOut ends the session for the app too.
func (b *behind) signsOut(t *testing.T, v *visitor) {
	stolen := cookies(v, b.origin)
	if resp, _ := v.visit("POST", b.origin+"/.gateway/sign-out", "", "Origin", b.origin); resp.StatusCode != 303 {
		t.Errorf("sign-out answered %d", resp.StatusCode)
	}
	if resp, _ := v.visit("GET", b.origin+"/x", ""); resp.StatusCode != 302 {
		t.Errorf("afterwards a page answered %d", resp.StatusCode)
	}
	if resp, _ := b.visitor().visit("GET", b.origin+"/x", "", "Cookie", stolen); resp.StatusCode != 302 {
		t.Errorf("with the old cookie a page answered %d", resp.StatusCode)
	}
}

// TestE2ENginx: a person in a browser, through nginx.
func TestE2ENginx(t *testing.T) {
	newTab := chromium(t)
	b := newBehind(t)
	b.startNginx()
	tb := newTab(t, 1000, 700)

	tb.open(b.origin + "/public/page")
	tb.until(`(window.asked ??= fetch("/x").then(r => r.json().then(j => window.got = r.status + " " + j.code + " " + j.login_url)),
		window.got?.startsWith("401 sign_in_required " + location.origin + "/.gateway/login"))`)

	tb.open(b.origin + deepLink)
	tb.follow(`button[data-user="U0MARIE"]`)
	if who, uri, at := tb.sees("#user"), tb.sees("#uri"), value(tb, chromedp.Location()); who != "U0MARIE" || uri != deepLink || at != b.origin+deepLink {
		t.Errorf("at %s the app saw %q at %q", at, who, uri)
	}
	tb.shot("nginx-1-landed")
	tb.until(`(window.socket ??= Object.assign(new WebSocket("ws://" + location.host + "/socket"), {onmessage: e => window.heard = e.data}), window.heard === "U0MARIE")`)
	tb.follow("#send")
	if uri, body := tb.sees("#uri"), tb.sees("#body"); uri != "/save?a=1" || body != "text=written" {
		t.Errorf("the form arrived as %q at %q", body, uri)
	}
	tb.open(b.origin + "/admin/x")
	if got := tb.sees("h1"); got != "You may not open this page" {
		t.Errorf("where she may not go she sees %q", got)
	}
	tb.shot("nginx-2-denied")
	tb.open(b.origin + "/.gateway/")
	tb.follow("#confirm")
	if got := tb.sees("h1"); got != "You are signed out" {
		t.Errorf("after signing out: %s", got)
	}
	tb.open(b.origin + deepLink)
	tb.sees(`button[data-user="U0MARIE"]`)
}

// TestForwardAuthTraefikFile: Traefik itself cannot be had here, so what its
// ForwardAuth does with the shipped patterns is done by hand (github.com/traefik/traefik,
// pkg/middlewares/auth/forward.go): what matches is removed from the client's
// request, then copied from the answer.
func TestForwardAuthTraefikFile(t *testing.T) {
	raw, err := os.ReadFile("docs/forward-auth/traefik.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		HTTP struct {
			Middlewares map[string]struct {
				ForwardAuth struct {
					Address                  string   `yaml:"address"`
					Trust                    *bool    `yaml:"trustForwardHeader"`
					Regex                    string   `yaml:"authResponseHeadersRegex"`
					Headers                  []string `yaml:"authResponseHeaders"`
					AddAuthCookiesToResponse []string `yaml:"addAuthCookiesToResponse"`
				} `yaml:"forwardAuth"`
			} `yaml:"middlewares"`
		} `yaml:"http"`
	}
	if err := yaml.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	ask := file.HTTP.Middlewares["ask-gateway"].ForwardAuth
	if ask.Address != "http://10.0.0.5:9091/.gateway/auth" || ask.Trust == nil || *ask.Trust || strings.Join(ask.Headers, " ") != "Cookie Authorization" ||
		strings.Join(ask.AddAuthCookiesToResponse, " ") != "__Host-gw" {
		t.Errorf("the middleware is %+v", ask)
	}
	pattern := regexp.MustCompile(ask.Regex)
	for name := range identity {
		for _, spelling := range append(spellings(name), strings.ReplaceAll(name, "-", "!")) {
			if key := http.CanonicalHeaderKey(spelling); !pattern.MatchString(key) {
				t.Errorf("%s is left to the client", key)
			}
		}
	}
	// At its entry point it removes and writes these (pkg/middlewares/forwardedheaders).
	atEntry := []string{"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "x-forwarded-server"}
	for _, name := range slices.Concat(overrides, atEntry) {
		for _, spelling := range spellings(name) {
			if key := http.CanonicalHeaderKey(spelling); !pattern.MatchString(key) && (strings.ContainsAny(key, "_.") || !slices.Contains(atEntry, name)) {
				t.Errorf("%s is left to the client", key)
			}
		}
	}
	for _, own := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Users", "Cookie", "X-Requested-With"} {
		if pattern.MatchString(own) {
			t.Errorf("%s would be removed", own)
		}
	}
}
