package main

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// walked is an answer of the gateway's own, and what is told of it apart.
type walked struct {
	*answer
	at       string // for the report
	lang     string // that was asked for; empty: this listener has one alone
	cachable bool   // the same for everybody, and open to all
}

// TestHeadersOfOurOwnAnswers opens every door on every listener of a running
// gateway, in both languages, as a page and as a script would, with a session and
// without, by every method that it serves and by one that it does not, and holds
// each answer to one list of headers, and each page to what its policy allows.
func TestHeadersOfOurOwnAnswers(t *testing.T) {
	t.Parallel()
	s := besiege(t, func(config string) string { return config + otherRoutes(t) })
	cookie := "Cookie: " + s.cookie("U0MARIE") + "\r\n"
	port := s.host[strings.LastIndexByte(s.host, ':'):]
	var seen, pages int
	check := func(w walked) {
		t.Helper()
		seen++
		if w.answer == nil {
			t.Errorf("%s: no answer", w.at)
			return
		}
		if strings.HasPrefix(w.Header.Get("Content-Type"), "text/html") && w.StatusCode/100 != 3 {
			pages++
		}
		w.hold(t)
	}
	for _, lang := range []string{"en", "fr"} {
		for _, class := range []string{"navigate", "cors"} {
			if racing && (lang == "fr") != (class == "cors") {
				continue // half of it shows all races there are
			}
			ask := func(address, method, host, target, more string) walked {
				raw := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nAccept-Language: %s\r\nSec-Fetch-Mode: %s\r\nSec-Fetch-Dest: %s\r\nContent-Length: 0\r\nConnection: close\r\n%s\r\n",
					method, target, host, lang, class, map[string]string{"navigate": "document", "cors": "empty"}[class], more)
				w := walked{at: fmt.Sprintf("%s http://%s%s in %s, to %s", method, host, target, lang, class), lang: lang,
					cachable: strings.HasSuffix(target, "/jwks.json") || strings.HasSuffix(target, "/icon.png")}
				if all := attackAll(t, address, nil, raw, 1); len(all) > 0 {
					w.answer = all[0]
				}
				return w
			}
			public := s.p.public.addr()
			for _, d := range publicDoors(t) {
				if racing && strings.HasSuffix(d.path, "/icon.png") {
					continue // it is drawn when first asked for, which takes the race detector long
				}
				for _, method := range append([]string{"DELETE", "POST"}, slices.DeleteFunc(slices.Clone(d.methods), func(m string) bool { return m == "POST" })...) {
					check(ask(public, method, s.host, d.path, ""))
					check(ask(public, method, "neu.localhost"+port, d.path, ""))
				}
				if !strings.HasSuffix(d.path, "/login") { // that goes on to Slack
					check(ask(public, "GET", s.host, d.path, cookie))
				}
			}
			for _, one := range [][2]string{
				{s.host, "/.gateway/callback?error=access_denied&state=x"}, {s.host, "/.gateway/form?id=none"}, {s.host, "/"}, {s.host, "/%2e%2e%2f"},
				{"nobody.localhost", "/"}, {"zu.localhost" + port, "/"}, {"weg.localhost" + port, "/public/x"}, {"neu.localhost" + port, "/"},
				{"neu.localhost" + port, "/.gateway/setup?key=none"},
			} {
				check(ask(public, "GET", one[0], one[1], ""))
			}
			check(ask(public, "GET", s.host, "/admin/secret", cookie))
			private := func(method, target string) {
				w := ask(s.p.private.addr(), method, "127.0.0.1", target, "")
				if strings.Contains(target, "/auth") {
					w = ask(s.p.private.addr(), method, "127.0.0.1", target, "X-Forwarded-Method: GET\r\nX-Forwarded-Host: "+s.host+"\r\nX-Forwarded-Uri: /\r\nX-Forwarded-For: 192.0.2.1\r\n")
				}
				check(w)
			}
			for _, target := range []string{"/livez", "/readyz", "/.gateway/jwks.json", "/.gateway/auth", "/.gateway/auth/nginx", "/none", "/routes/none/v1/notifications", "/routes/" + customers[0].Host + "/v1/notifications", "/routes/" + customers[0].Host + "/slack/api/chat.postMessage"} {
				private("GET", target)
				private("POST", target)
			}
			for _, d := range operatorsDoors(t, customers[0].Host) {
				for _, method := range []string{"GET", "POST"} {
					own := "Origin: http://" + s.p.admin.addr() + "\r\n"
					if !strings.HasPrefix(d.path, "/ui/") {
						own = "Content-Type: application/json\r\n"
					}
					for _, more := range []string{own, "", "Origin: https://evil.example\r\n"} {
						w := ask(s.p.admin.addr(), method, s.p.admin.addr(), d.path, more)
						w.lang, w.cachable = "", strings.HasSuffix(d.path, ".css") || strings.HasSuffix(d.path, ".svg")
						check(w)
					}
				}
			}
		}
	}
	if t.Logf("%d answers, %d of them pages", seen, pages); pages < 100 {
		t.Errorf("only %d pages were seen", pages)
	}
}

// otherRoutes are one whose Slack app is still to be set up, one that is closed, and
// one whose app is gone.
func otherRoutes(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	gone := "http://" + ln.Addr().String()
	return fmt.Sprintf(`  - {host: neu.localhost, upstream: %[1]q, slack_app: {managed: true}, login: {}, notify: {}}
  - {host: zu.localhost, upstream: %[1]q, workspace: T0NONE, slack_app: {bot_token: xoxb-1}, notify: {bearer_tokens: [ck_nobody_0123456789abcdef]}, maintenance: {message: "Back soon."}, policy: [{path: /**, allow: public}]}
  - {host: weg.localhost, upstream: %[1]q, workspace: T0NONE, slack_app: {bot_token: xoxb-1}, notify: {bearer_tokens: [ck_nobody_0123456789abcdef]}, policy: [{path: /**, allow: public}]}
`, gone)
}

// hold says what the answer lacks.
func (w walked) hold(t *testing.T) {
	t.Helper()
	lacks := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%s: %d: %s", w.at, w.StatusCode, fmt.Sprintf(format, args...))
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cross-Origin-Resource-Policy": "same-origin"} {
		if got := w.Header.Values(name); len(got) != 1 || got[0] != want {
			lacks("%s: %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"Server", "X-Powered-By", "Strict-Transport-Security", "Access-Control-Allow-Origin"} {
		if got := w.Header.Get(name); got != "" {
			lacks("%s: %s", name, got)
		}
	}
	if got := w.Header.Get("Cache-Control"); got != "no-store" && !w.cachable {
		lacks("Cache-Control: %q", got)
	}
	kind := w.Header.Get("Content-Type")
	if w.body != "" && kind == "" || strings.HasPrefix(kind, "text/") && !strings.Contains(kind, "charset=utf-8") && !strings.HasPrefix(kind, "text/plain; version=") {
		lacks("Content-Type: %q", kind)
	}
	if w.StatusCode/100 == 3 || !strings.HasPrefix(kind, "text/html") {
		return
	}
	if got := w.Header.Get("Referrer-Policy"); got != "same-origin" && got != "strict-origin" {
		lacks("Referrer-Policy: %q", got)
	}
	if w.lang != "" && (w.Header.Get("Content-Language") != w.lang || !strings.Contains(w.Header.Get("Vary"), "Accept-Language")) {
		lacks("language %q, Vary %q", w.Header.Get("Content-Language"), w.Header.Get("Vary"))
	}
	policy := policyOf(w.Header)
	if policy == nil {
		lacks("not one Content-Security-Policy: %q", w.Header.Values("Content-Security-Policy"))
		return
	}
	for directive, want := range map[string]string{"default-src": "'none'", "object-src": "'none'", "script-src": "'none'", "base-uri": "'none'", "frame-ancestors": "'none'"} {
		got, ok := policy[directive]
		if fetched := strings.HasSuffix(directive, "-src"); !ok && fetched {
			got = policy["default-src"]
		}
		if got != want {
			lacks("%s is %q, want %s", directive, got, want)
		}
	}
	if to, ok := policy["form-action"]; !ok || to != "'self'" && to != "'none'" {
		lacks("form-action is %q", to)
	}
	if w.body == "" {
		return // HEAD
	}
	root, err := html.Parse(strings.NewReader(w.body))
	if err != nil {
		lacks("%v", err)
		return
	}
	for n := range root.Descendants() {
		if why := unfit(n, policy); why != "" {
			lacks("%s", why)
		}
	}
}

// policyOf gives the directives of the one Content-Security-Policy; nil if there are
// none, several, or any that lets in what stands in the page.
func policyOf(h http.Header) map[string]string {
	given := h.Values("Content-Security-Policy")
	if len(given) != 1 || strings.Contains(given[0], "unsafe") || strings.Contains(given[0], ",") {
		return nil
	}
	policy := map[string]string{}
	for _, one := range strings.Split(given[0], ";") {
		name, sources, _ := strings.Cut(strings.TrimSpace(one), " ")
		policy[name] = sources
	}
	return policy
}

// unfit says why a part of a page is against its policy; empty: it is not.
func unfit(n *html.Node, policy map[string]string) string {
	if n.Type != html.ElementNode {
		return ""
	}
	switch n.Data {
	case "script", "iframe", "object", "embed", "base", "template", "noscript":
		return "there is a <" + n.Data + ">"
	case "style":
		sum := sha256.Sum256([]byte(n.FirstChild.Data))
		if !strings.Contains(policy["style-src"], "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") {
			return "the policy does not name the style sheet"
		}
	}
	for _, a := range n.Attr {
		link := a.Key == "href" || a.Key == "src" || a.Key == "action" || a.Key == "formaction"
		switch {
		case a.Key == "style" || strings.HasPrefix(a.Key, "on") || a.Key == "srcdoc":
			return "<" + n.Data + "> has " + a.Key
		case link && strings.Contains(strings.ToLower(a.Val), "script:"):
			return "<" + n.Data + "> leads to " + a.Val
		case a.Key == "src" && !strings.HasPrefix(a.Val, "/"):
			return "<" + n.Data + "> loads " + a.Val
		}
	}
	return ""
}

// TestOurPolicyStaysOurs: what the app sends has the headers that the app gave it.
func TestOurPolicyStaysOurs(t *testing.T) {
	t.Parallel()
	s := besiege(t, nil)
	got := s.attack(get(s.host, "/public/x", ""))
	if got == nil || got.StatusCode != 200 {
		t.Fatalf("the app is not reached: %v", got)
	}
	for _, name := range []string{"Content-Security-Policy", "X-Frame-Options", "X-Content-Type-Options", "Referrer-Policy", "Cross-Origin-Resource-Policy", "Cross-Origin-Opener-Policy", "Cache-Control", "Vary"} {
		if got.Header.Get(name) != "" {
			t.Errorf("the app's page has %s: %s", name, got.Header.Get(name))
		}
	}
}
