package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/policy"
	"github.com/cocoom/cocoom-gateway/proxy"
)

// cgiName is what an old Apache makes of a header's name.
func cgiName(name string) string {
	return "HTTP_" + strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(name))
}

// valuesByCGIName reads a request's head as CGI hands it to an app.
func valuesByCGIName(head string) map[string][]string {
	out := map[string][]string{}
	for _, line := range strings.Split(head, "\r\n")[1:] {
		if name, value, ok := strings.Cut(line, ": "); ok {
			out[cgiName(name)] = append(out[cgiName(name)], value)
		}
	}
	return out
}

// CVE-2025-64484, CVE-2026-52845, GHSA-w9mr-28mw-j8hg and their kin: a client
// writes the headers that say who is signed in.
func TestForgedHeaders(t *testing.T) {
	own := []string{"X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Preferred-Username", "X-Forwarded-Groups", "X-Gateway-Team", "X-Gateway-Assertion"}
	other := []string{
		"X-Gateway-Anything", "X-Forwarded-Prefix", "X-Forwarded-Port", "X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded", "Forwarded", "X-Real-IP", "X-Client-IP", "Client-IP",
		"X-Original-URL", "X-Original-URI", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "Proxy", "Remote-User", "X-Remote-User",
		"X-Custom-User",
	}
	spellings := []func(string) string{
		func(s string) string { return s },
		strings.ToLower,
		strings.ToUpper,
		func(s string) string { return strings.ReplaceAll(s, "-", "_") },
		func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "-", ".")) },
		func(s string) string { return strings.Replace(s, "-", "_", 1) },
		func(s string) string { return strings.ReplaceAll(s, "-", "!") },
	}
	for _, who := range []*policy.Identity{nil, &lea, {Team: "T1", User: "U2"}} {
		app, heads := newRawApp(t, emptyAnswer)
		f := newFront(t, app, who, func(c *proxy.Config) { c.Headers.User = "X-Custom-User" })
		var request strings.Builder
		request.WriteString("GET /public HTTP/1.1\nHost: x\nConnection: close\nX-Harmless_Name: kept\n")
		for _, name := range append(own, other...) {
			for _, spell := range spellings {
				fmt.Fprintf(&request, "%s: forged\n", spell(name))
			}
		}
		f.send(t, request.String()+"\n")
		head := <-heads
		if strings.Contains(head, "forged") {
			t.Errorf("signed in %v: a forged header passed:\n%s", who, head)
		}
		got := valuesByCGIName(head)
		if got["HTTP_X_HARMLESS_NAME"] == nil {
			t.Error("a harmless header was removed")
		}
		want := map[string]string{}
		if who != nil {
			want["HTTP_X_CUSTOM_USER"], want["HTTP_X_GATEWAY_TEAM"] = who.User, who.Team
		}
		if who == &lea {
			want["HTTP_X_FORWARDED_EMAIL"], want["HTTP_X_FORWARDED_PREFERRED_USERNAME"], want["HTTP_X_FORWARDED_GROUPS"] = lea.Email, lea.Name, "cocoom-admins,edito"
		}
		for _, name := range append(own, "X-Custom-User") {
			name = cgiName(name)
			if name == "HTTP_X_GATEWAY_ASSERTION" {
				if (got[name] != nil) != (who != nil) {
					t.Errorf("assertion is %q", got[name])
				}
				continue
			}
			if value, ok := want[name]; ok != (got[name] != nil) || ok && (len(got[name]) != 1 || got[name][0] != value) {
				t.Errorf("signed in %v: %s is %q, want %q", who, name, got[name], value)
			}
		}
	}
}

// Oathkeeper GHSA-w9mr-28mw-j8hg, Traefik CVE-2024-45410 and GO-2026-4597: the
// client names our headers in Connection, so that they are removed again.
func TestConnectionCannotRemoveTheIdentity(t *testing.T) {
	app, heads := newRawApp(t, emptyAnswer)
	f := newFront(t, app, &lea, nil)
	for _, connection := range []string{"Connection", "connection", "CONNECTION"} {
		f.send(t, "GET / HTTP/1.1\nHost: x\n"+connection+": close, X-Forwarded-User, x-gateway-assertion, X-Forwarded-For, X-Request-Id\n\n")
		got := valuesByCGIName(<-heads)
		for name, want := range map[string]string{"HTTP_X_FORWARDED_USER": lea.User, "HTTP_X_FORWARDED_FOR": "203.0.113.7", "HTTP_X_REQUEST_ID": "req-1"} {
			if len(got[name]) != 1 || got[name][0] != want {
				t.Errorf("%s: %s is %q", connection, name, got[name])
			}
		}
		if len(got["HTTP_X_GATEWAY_ASSERTION"]) != 1 {
			t.Errorf("%s: no assertion", connection)
		}
	}
}

func TestTrailersCannotForge(t *testing.T) {
	seen := make(chan http.Header, 1)
	app := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		seen <- r.Trailer
	})
	f := newFront(t, app, &lea, nil)
	answer := f.send(t, "POST / HTTP/1.1\nHost: x\nConnection: close\nTransfer-Encoding: chunked\nTrailer: X-Forwarded-User, X-Other\n\n3\nabc\n0\nX-Forwarded-User: forged\nX-Other: y\n\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 200") {
		t.Fatalf("got %q", answer)
	}
	if got := <-seen; len(got) != 0 {
		t.Errorf("trailers arrived: %v", got)
	}
}

func TestPathAndQueryArriveAsTheyWere(t *testing.T) {
	app, heads := newRawApp(t, emptyAnswer)
	f := newFront(t, app, nil, nil)
	for target, want := range map[string]string{
		"/":                            "/",
		"/?":                           "/?",
		"/x?q=50%&b=2":                 "/x?q=50%&b=2",
		"/?a;b":                        "/?a;b",
		"/?b=2;a=1&&=&%zz":             "/?b=2;a=1&&=&%zz",
		"/?a=http://x/?y":              "/?a=http://x/?y",
		"/?p[]=a&\xe9=\xc3\xa9":        "/?p[]=a&\xe9=\xc3\xa9",
		"/a/../b%7e/./c":               "/b~/c",
		"/caf%c3%a9/%e9":               "/caf%C3%A9/%E9",
		"//x//y;z=1":                   "//x//y;z=1",
		"/a%3bb;c!$&'()*+,=:@":         "/a%3Bb;c!$&'()*+,=:@",
		"/private%23/public":           "/private%23/public",
		"/a[b]|c":                      "/a%5Bb%5D%7Cc",
		"http://elsewhere.example/x?y": "/x?y",
	} {
		f.send(t, "GET "+target+" HTTP/1.1\nHost: x\nConnection: close\n\n")
		if line, _, _ := strings.Cut(<-heads, "\r\n"); line != "GET "+want+" HTTP/1.1" {
			t.Errorf("%q arrived as %q, want %q", target, line, want)
		}
	}
}

func TestHostAndForwardingHeaders(t *testing.T) {
	for replaced, want := range map[string]string{"": host, "app.internal:81": "app.internal:81"} {
		app, heads := newRawApp(t, emptyAnswer)
		f := newFront(t, app, nil, func(c *proxy.Config) { c.Upstream.Host = replaced })
		f.send(t, "GET / HTTP/1.1\nHost: AGRAFMANIA.cocoom.com.:80\nConnection: close\nX-Forwarded-For: 6.6.6.6\nX-Forwarded-Proto: ftp\nX-Forwarded-Host: evil\n\n")
		got := valuesByCGIName(<-heads)
		for name, want := range map[string]string{
			"HTTP_HOST": want, "HTTP_X_FORWARDED_FOR": "203.0.113.7", "HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_HOST": host, "HTTP_X_REQUEST_ID": "req-1",
		} {
			if len(got[name]) != 1 || got[name][0] != want {
				t.Errorf("%s is %q, want %q", name, got[name], want)
			}
		}
		for _, absent := range []string{"HTTP_USER_AGENT", "HTTP_ACCEPT_ENCODING"} {
			if got[absent] != nil {
				t.Errorf("%s was added: %q", absent, got[absent])
			}
		}
	}
}

func TestOwnCookiesStayHere(t *testing.T) {
	app, heads := newRawApp(t, emptyAnswer)
	f := newFront(t, app, nil, nil)
	for sent, want := range map[string][]string{
		"Cookie: a=1; __Host-gw=secret; b=2\n":                         {"a=1; b=2"},
		"Cookie: __Host-gw=secret; a=\"x y\";b=é=;;c\n":                {"a=\"x y\";b=é=;;c"},
		"Cookie: gw=secret\n":                                          nil,
		"Cookie: gw=secret; __Secure-gw-login-1=secret\n":              nil,
		"Cookie: a=1;gw-x=secret\n":                                    {"a=1"},
		"Cookie: a=1\nCookie: __Host-gw=secret\nCookie: b=gw\n":        {"a=1", "b=gw"},
		"Cookie: gwen=1; mygw=2; GW=3; __Host-gwx=4; PHPSESSID=gw=5\n": {"gwen=1; mygw=2; GW=3; __Host-gwx=4; PHPSESSID=gw=5"},
		"Cookie: =gw=secret; a=1\n":                                    {"a=1"},
		"Cookie:  odd = 1 ;  two\n":                                    {"odd = 1 ;  two"},
	} {
		f.send(t, "GET / HTTP/1.1\nHost: x\nConnection: close\n"+sent+"\n")
		head := <-heads
		if got := valuesByCGIName(head)["HTTP_COOKIE"]; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%q arrived as %q, want %q", sent, got, want)
		}
		if strings.Contains(head, "secret") {
			t.Errorf("%q: our cookie reached the app", sent)
		}
	}
}

func TestEveryMethodPasses(t *testing.T) {
	app := newApp(t, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-Method", r.Method) })
	f := newFront(t, app, nil, nil)
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "MKCOL", "LOCK", "QUERY", "REPORT", "x-odd"} {
		req, err := http.NewRequest(method, f.URL+"/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := res.Header.Get("X-Method"); res.StatusCode != 200 || got != method {
			t.Errorf("%s: %d, %q", method, res.StatusCode, got)
		}
	}
	if answer := f.send(t, "CONNECT app:80 HTTP/1.1\nHost: app:80\nConnection: close\n\n"); !strings.HasPrefix(answer, "HTTP/1.1 405") {
		t.Errorf("CONNECT: %q", answer)
	}
}
