package gateway_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// browserOrigin is where a browser goes that gets a Location on a page of base:
// scheme, host and port as the URL parser of browsers reads them
// (https://url.spec.whatwg.org/#concept-basic-url-parser), for the schemes http
// and https; "" for any other, and for what it takes for no address.
func browserOrigin(location, base string) string {
	location = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(strings.TrimFunc(location, func(r rune) bool { return r <= ' ' }))
	scheme, rest, found := strings.Cut(location, ":")
	if !found || scheme == "" || strings.Trim(strings.ToLower(scheme), "abcdefghijklmnopqrstuvwxyz0123456789+-.") != "" || strings.ContainsAny(scheme[:1], "0123456789+-.") {
		scheme, rest = "", location
	}
	baseScheme, _, _ := strings.Cut(base, ":")
	slashes := len(rest) - len(strings.TrimLeft(rest, `/\`))
	switch scheme = strings.ToLower(scheme); {
	case scheme == "" && slashes < 2, scheme == baseScheme && slashes == 0:
		return base
	case scheme == baseScheme && slashes == 1:
		return base
	case scheme == "":
		scheme = baseScheme
	case scheme != "http" && scheme != "https":
		return ""
	}
	authority := rest[slashes:]
	if end := strings.IndexAny(authority, `/\?#`); end >= 0 {
		authority = authority[:end]
	}
	authority = authority[strings.LastIndexByte(authority, '@')+1:]
	host, port, _ := strings.Cut(authority, ":")
	if end := strings.IndexByte(authority, ']'); strings.HasPrefix(authority, "[") && end > 0 {
		host, port = authority[:end+1], strings.TrimPrefix(authority[end+1:], ":")
	}
	host, err := url.PathUnescape(host)
	if err != nil || host == "" || strings.Trim(port, "0123456789") != "" {
		return ""
	}
	if port != "" && port != map[string]string{"http": "80", "https": "443"}[scheme] {
		host += ":" + port
	}
	return scheme + "://" + strings.ToLower(host)
}

// leadingAway are return addresses that led off the site elsewhere.
var leadingAway = []string{
	"//evil.example", "///evil.example", `/\evil.example`, `\\evil.example`, `\/evil.example`, "/\t/evil.example", "/\n/evil.example", "\t//evil.example", "/%09/evil.example", "/%5cevil.example", "/%2fevil.example", "/.//evil.example", "/..//evil.example", "/x/..//evil.example",
	"http://evil.example", "https:evil.example", "http:/evil.example", `http:\\evil.example`, "HTTPS://evil.example", " http://evil.example", "javascript:alert(1)", "data:text/html,x", "//evil.example@x", "@evil.example", ".evil.example", ":80@evil.example", ":443", "?//evil.example", "#//evil.example",
	"/?to=//evil.example", "/x#//evil.example", "//evil.example:80/%2e%2e", "/\x00/evil.example", "/\u2028/evil.example", "／／evil.example", "/;//evil.example", "/%0d%0aLocation:%20//evil.example", "/\r\nLocation: //evil.example", "//[::1]/", "//evil。example", "/.gateway/login?to=//evil.example", "/%E2%80%AE", "x", "",
}

// TestBrowserOracle holds browserOrigin against the URL parser of Node, which is
// that of the standard.
func TestBrowserOracle(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("Node is missing")
		}
		t.Skip("needs Node")
	}
	const base = "http://agrafmania.localhost:81"
	var tried []string
	for _, a := range leadingAway {
		tried = append(tried, a, base+a, strings.TrimSuffix(base, "/")+"/"+a, base+"@"+a, "http:"+a)
	}
	in, err := json.Marshal(tried)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(node, "-e", `const all = JSON.parse(require("fs").readFileSync(0)); console.log(JSON.stringify(all.map(a => {
		try { const u = new URL(a, process.argv[1]); return u.origin === "null" ? "" : u.origin } catch { return "" } })))`, base)
	cmd.Stdin = strings.NewReader(string(in))
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run Node: %v", err)
	}
	var origins []string
	if err := json.Unmarshal(out, &origins); err != nil {
		t.Fatal(err)
	}
	for i, a := range tried {
		// What the standard finds no host in, the oracle may: it must not see home where a browser sees another.
		if got := browserOrigin(a, base); got != origins[i] && (got == base || origins[i] != "" && !strings.Contains(a, "。")) {
			t.Errorf("%q: got %q, Node says %q", a, got, origins[i])
		}
	}
}

// FuzzReturnAddress: a page that was asked for, and what stands in "to", is where
// the sign-in ends, and always on the same host; the first byte for byte.
func FuzzReturnAddress(f *testing.F) {
	for _, a := range append(leadingAway, "/x?q=50%&b=2;c#d", "/x?"+strings.Repeat("a", 4000), "/"+strings.Repeat("a", 4000), "/index.php?page=x&&=", "/é", "/%e9", "/?\xe9t\xe9=\x85") {
		f.Add(a)
	}
	b := newBesieged(f)
	origin := b.routes[0].Origin
	f.Fuzz(func(t *testing.T, address string) {
		lands := func(target string) string {
			first := b.serve(target, "")
			if first == nil || first.StatusCode != http.StatusFound {
				return ""
			}
			at, err := url.Parse(first.Header.Get("Location"))
			if err != nil || !strings.HasPrefix(first.Header.Get("Location"), b.slack.URL()+"/") || at.Query().Get("redirect_uri") != origin+"/.gateway/callback" {
				t.Fatalf("%q: sent to sign in at %q", target, first.Header.Get("Location"))
			}
			// Whoever has signed in meanwhile, in another tab, is just sent on.
			back := b.serve("/.gateway/callback?state="+url.QueryEscape(at.Query().Get("state")), b.paul)
			to := back.Header.Get("Location")
			if back.StatusCode != http.StatusFound || browserOrigin(to, origin) != origin || !strings.HasPrefix(to, origin+"/") || strings.ContainsAny(to, "\r\n\t ") {
				t.Fatalf("%q: signing in ended with %d at %q", target, back.StatusCode, to)
			}
			return strings.TrimPrefix(to, origin)
		}
		if strings.HasPrefix(address, "/") && !strings.ContainsAny(address, "\r\n") {
			got := lands(address)
			if _, query, ok := strings.Cut(address, "?"); got != "" && ok && len(got) < 2000 && len(address) < 2000 && !strings.HasPrefix(address, "/.gateway/login") && !strings.HasSuffix(got, "?"+query) && (utf8.ValidString(address) || urldecode(got, false) != urldecode(got[:strings.IndexByte(got, '?')+1]+query, false)) {
				t.Errorf("%q: signing in ended at %q", address, got)
			}
		}
		lands("/.gateway/login?to=" + url.QueryEscape(address))
		if a := b.serve("/.gateway/login?to="+url.QueryEscape(address), b.paul); a.StatusCode != http.StatusFound || browserOrigin(a.Header.Get("Location"), origin) != origin {
			t.Errorf("%q: signed in already, %d to %q", address, a.StatusCode, a.Header.Get("Location"))
		}
	})
}

// serve is navigate without a connection, which would cost most of the time.
func (b *besieged) serve(target, cookie string) *http.Response {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\nCookie: " + cookie + "\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n\r\n")))
	if err != nil {
		return nil
	}
	rec := httptest.NewRecorder()
	b.gateway.ServeHTTP(rec, r)
	return rec.Result()
}

// navigate asks for a page with any Host, and more header lines, and gives the
// answer, nil for none; its body is in Trailer["Body"].
func (b *besieged) navigate(t *testing.T, method, target, host, more string) *http.Response {
	t.Helper()
	return navigateAt(t, b.front.Listener.Addr().String(), fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n%sConnection: close\r\n\r\n", method, target, host, more))
}

func navigateAt(t *testing.T, listener, request string) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", listener)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, request)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return nil
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Trailer = http.Header{"Body": {string(body)}}
	return resp
}

// ownAnswers are all that a stranger, or a member, may ask the gateway itself, and
// what makes it answer in the app's place.
var ownAnswers = []string{
	"/", "/x?y=1", "/a%2fb", "/admin", "/x#y", "/.gateway", "/.gateway/", "/.gateway/login", "/.gateway/login?to=/x", "/.gateway/login?again=x", "/.gateway/callback", "/.gateway/callback?state=x&code=y",
	"/.gateway/callback?error=access_denied", "/.gateway/sign-out", "/.gateway/sign-out-everywhere", "/.gateway/signed-out", "/.gateway/me", "/.gateway/break-glass", "/.gateway/break-glass?key=x",
	"/.gateway/setup", "/.gateway/setup?key=x", "/.gateway/setup/install", "/.gateway/setup/installed?code=x&state=y", "/.gateway/form?id=x", "/.gateway/v1/notifications", "/.gateway/services/x/y", "/.gateway/slack/events",
	"/.gateway/slack/api/auth.test", "/.gateway/nothing", "//.gateway/me", "/logout",
}

// TestAttackHostPoisoning: nothing that a client says about the host, the scheme
// or the address gets into an answer of the gateway's, or leads anybody away; and
// no answer may be kept by a cache, which could give it to somebody else.
func TestAttackHostPoisoning(t *testing.T) {
	b := newBesieged(t)
	origin := b.routes[0].Origin
	forged := ""
	for _, name := range strings.Fields("X-Forwarded-Host X-Forwarded-Server X-Forwarded-Prefix X-Forwarded-Uri X-Forwarded-Port X-Forwarded-Scheme X-Forwarded-Proto X-Original-Host X-Original-URL X-Original-Uri X-Rewrite-URL X-Host X-HTTP-Host-Override X_Forwarded_Host Referer Origin Proxy-Host Via") {
		forged += name + ": //evil.example/evil\r\n"
	}
	forged += "Forwarded: for=192.0.2.1;host=evil.example;proto=evil\r\n"
	for _, cookie := range []string{"", "Cookie: " + b.paul + "\r\n"} {
		for _, at := range ownAnswers {
			for _, asks := range []string{host, strings.ToUpper(host), host + ".", host + ":1", host + ":", strings.ToUpper(host) + ".:65535"} {
				for _, target := range []string{at, "http://" + asks + at} {
					for _, method := range []string{"GET", "HEAD", "POST"} {
						hostLine := asks
						if target != at {
							hostLine = "evil.example" // the absolute form counts: RFC 9112 section 3.2.2
						}
						more := cookie + forged
						if method == "POST" {
							more += "Content-Length: 0\r\n"
						}
						if method != "GET" && asks != host {
							continue
						}
						name := fmt.Sprintf("%s %s of %s, session %t", method, target, asks, cookie != "")
						b.checkOwn(t, name, origin, b.navigate(t, method, target, hostLine, more))
					}
				}
			}
		}
	}
	_ = b.tap.received()
}

// checkOwn looks at an answer for what only a client can have said. What the app
// answers has the status 204.
func (b *besieged) checkOwn(t *testing.T, name, origin string, a *http.Response) {
	t.Helper()
	if a == nil {
		t.Errorf("%s: no answer", name)
		return
	}
	if a.StatusCode == http.StatusNoContent {
		return
	}
	var all strings.Builder
	_ = a.Header.Write(&all)
	all.WriteString(a.Trailer.Get("Body"))
	if said := strings.ToLower(all.String()); strings.Contains(said, "evil.example") || strings.Contains(said, "//evil") || strings.Contains(said, "=evil") {
		t.Errorf("%s: answered %d %s", name, a.StatusCode, all.String())
	}
	if got := a.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("%s: answered %d with Cache-Control %q", name, a.StatusCode, got)
	}
	to := a.Header.Get("Location")
	switch {
	case to == "" && a.StatusCode/100 == 3, to != "" && a.StatusCode/100 != 3:
		t.Errorf("%s: %d to %q", name, a.StatusCode, to)
	case to == "" || strings.HasPrefix(to, origin+"/") && browserOrigin(to, origin) == origin:
	default:
		u, err := url.Parse(to)
		if err != nil || browserOrigin(to, origin) != b.slack.URL() || u.Query().Get("redirect_uri") != origin+"/.gateway/callback" {
			t.Errorf("%s: led to %q", name, to)
		}
	}
}

// TestAttackHostSpelledStrangely: a Host that is not exactly the route's is no
// route's, whatever a lenient reader would make of it.
func TestAttackHostSpelledStrangely(t *testing.T) {
	b := newBesieged(t)
	for _, asks := range []string{
		"evil.example", "user@" + host, "user:" + host, host + "@evil.example", "evil.example@" + host, host + ":80@evil.example", host + ".evil.example", "evil.example#" + host, "evil.example/" + host, host + "/", host + "/evil",
		host + "\\evil.example", host + ",evil.example", host + " evil.example", host + "..", "." + host, "evil.example:" + host, host + ":80:80", host + ":-1", host + ":0x50", host + ":１", "ａgrafmania.localhost", "agrafmania。localhost", "xn--agrafmania.localhost",
		"agrafmania%2elocalhost", "[" + host + "]", "[::1]", "[::ffff:127.0.0.1]", "127.0.0.1", "localhost", "*", "*.localhost", host + "%00", host + "\x00", host + "\x7f", "AGRAFMANİA.localhost", "agra\u017fmania.localhost", "", "_", "host\"onload=evil",
	} {
		for target, absolute := range map[string]string{"/public/x": "", "/.gateway/login": "", "http://" + asks + "/public/x": host} {
			hostLine := asks
			if absolute != "" {
				hostLine = absolute
			}
			if absolute != "" && (asks == "" || strings.ContainsAny(asks, "/@#\\")) {
				continue // of those the authority is another: "//x@host/" is of host
			}
			a := b.navigate(t, "GET", target, hostLine, "")
			if a == nil || a.StatusCode != 421 && a.StatusCode != 400 || strings.Contains(a.Trailer.Get("Body"), "evil") {
				t.Errorf("Host %q, target %q: %v", hostLine, target, a)
			}
		}
	}
	for name, lines := range map[string]string{"twice": host + "\r\nHost: evil.example", "twice the same": host + "\r\nHost: " + host, "folded": host + "\r\n evil.example", "empty first": "\r\nHost: " + host} {
		if a := b.navigate(t, "GET", "/public/x", lines, ""); a != nil && a.StatusCode != 400 {
			t.Errorf("Host %s: %d", name, a.StatusCode)
		}
	}
	if lines := b.tap.received(); lines != nil {
		t.Errorf("the app got %q", lines)
	}
	if a := b.navigate(t, "GET", "http://user:evil@"+host+"/.gateway/login", host, ""); a == nil || strings.Contains(fmt.Sprint(a.Header), "evil") {
		t.Errorf("a name and a password in the target: %v", a)
	}
}

// TestAttackForwardAuthAddresses: the proxy that asks by forward auth hands on
// what the client sent; the answer leads nowhere else, and is kept by no cache.
func TestAttackForwardAuthAddresses(t *testing.T) {
	in := newInside(t)
	origin := in.routes[0].Origin
	for _, asks := range []string{host, strings.ToUpper(host) + ".:81", "evil.example", "user@" + host, host + "@evil.example", host + ", evil.example"} {
		for _, uri := range append(leadingAway, "/x", "http:/x", "/x?a b", "/x?a#b", "http:"+host+"/x") {
			if strings.ContainsAny(uri, "\r\n\x00") {
				continue // no header
			}
			for _, path := range []string{auth, authNginx} {
				a := navigateAt(t, in.private.Listener.Addr().String(), fmt.Sprintf("GET %s HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Host: %s\r\nX-Forwarded-Uri: %s\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: evil\r\nX-Original-URL: /evil\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nConnection: close\r\n\r\n", path, asks, uri))
				if a == nil {
					t.Fatalf("%s of %q: no answer", uri, asks)
				}
				to := a.Header.Get("Location")
				u, err := url.Parse(to)
				leads := to == "" || err == nil && browserOrigin(to, origin) == in.slack.URL() && u.Query().Get("redirect_uri") == origin+"/.gateway/callback"
				if a.StatusCode == 200 || !leads || a.Header.Get("Cache-Control") != "no-store" || strings.Contains(a.Header.Get("Www-Authenticate"), "evil") {
					t.Errorf("%s of %q: %d to %q, %v", uri, asks, a.StatusCode, to, a.Header)
				}
				if strings.ContainsAny(uri, " #") && path == auth && a.StatusCode != 400 && a.StatusCode != 421 {
					t.Errorf("%s of %q: %d, want 400", uri, asks, a.StatusCode)
				}
			}
		}
	}
}
