package main

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// TestAdvisoryTraefik is what broke Traefik, before the app and as the one that
// asks by forward auth. Here the proxy on this machine is trusted.
func TestAdvisoryTraefik(t *testing.T) {
	t.Parallel()
	s := besiege(t, func(config string) string { return "trusted_proxies: [127.0.0.1/32]\n" + config })
	marie := "Cookie: " + s.cookie("U0MARIE") + "\r\n"
	s.row(t, "CVE-2024-45410 nominated in Connection", s.nominations("Connection", marie))
	s.row(t, "GO-2026-4597 nominated in connection, in lower case", s.nominations("connection", marie))
	s.aliases(t, marie)
	s.forwardedFamily(t, marie)
	s.onePath(t, marie)
	s.row(t, "CVE-2026-71324 CONNECT and failed upgrades poison no connection", s.tunnels(marie))
	s.row(t, "CVE-2026-71324 the next requests get their own answers", advisory{honest: tries{
		"a member's": {request: get(s.host, "/x", marie), status: 200, arrives: "/x", also: s.knows("U0MARIE")},
		"nobody's":   {request: get(s.host, "/public/x", ""), status: 200, arrives: "/public/x", also: s.knows("")},
	}})
}

// aliases: what an app may take for an identity header is one. So many at once as
// a request may have fields.
func (s *siege) aliases(t *testing.T, marie string) {
	for names := range slices.Chunk(append([]string{"X-Forwarded-Anything", "X-Gateway-Anything", "X-Auth-Request-User", "X-Original-User"}, identityHeaders...), 6) {
		s.aliasesOf(t, marie, names)
	}
}

func (s *siege) aliasesOf(t *testing.T, marie string, names []string) {
	var forged strings.Builder
	for _, name := range names {
		for _, sign := range []string{"_", ".", "!", "~", "|", "'", "*", "+", "^", "`", "#", "$", "%", "&"} {
			forged.WriteString(headerLines("forged", strings.ReplaceAll(name, "-", sign), strings.Replace(name, "-", sign, 1)))
		}
		forged.WriteString(headerLines("forged", name, strings.ToLower(name), strings.ToUpper(name)))
	}
	all := forged.String()
	told := func(user string) func(*testing.T, *answer, recorded) {
		return tells(user)
	}
	s.row(t, "CVE-2026-39858 CVE-2026-33433 GO-2026-6211 identity by an alias of a header, "+names[0]+" and others", advisory{
		refused: tries{
			"nobody":               {request: get(s.host, "/x", all), status: 302},
			"nobody, forward auth": {request: asks(authAny, s.host, "/x", all), to: s.p.private.addr(), status: 302, also: told("")},
		},
		honest: tries{"a member": {request: get(s.host, "/x", marie), status: 200, arrives: "/x", also: s.knows("U0MARIE")}},
		forged: tries{
			"a member":               {request: get(s.host, "/x", marie+all), status: 200, arrives: "/x", also: s.knows("U0MARIE")},
			"on a public page":       {request: get(s.host, "/public/x", all), status: 200, arrives: "/public/x", also: s.knows("")},
			"a member, forward auth": {request: asks(authAny, s.host, "/x", marie+all), to: s.p.private.addr(), status: 200, also: told("U0MARIE")},
			"public, forward auth":   {request: asks(authAny, s.host, "/public/x", all), to: s.p.private.addr(), status: 200, also: told("")},
			"another address, by an alias": {request: asks(authNginx, s.host, "/x", headerLines("/public/x", "X_Forwarded_Uri", "X.Forwarded.Uri", "X-Forwarded_Uri", "X-Original-Url", "X-Original-Uri")), to: s.p.private.addr(),
				status: 401},
			"a blank before the colon": {request: get(s.host, "/public/x", "X-Forwarded-User : forged\r\n"), status: 400},
			"a blank before the name":  {request: get(s.host, "/public/x", "X-Forwarded-User\t: forged\r\n"), status: 400},
			"no ASCII":                 {request: get(s.host, "/public/x", "X-Forwarded\u2010User: forged\r\n"), status: 400},
		},
	})
}

// forwardedFamily: of X-Forwarded-* the app gets what the gateway says, and of a
// trusted proxy the gateway believes X-Forwarded-For alone.
func (s *siege) forwardedFamily(t *testing.T, marie string) {
	family := headerLines("forged", "X-Forwarded-Prefix", "X-Forwarded-Port", "X-Forwarded-Server", "X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Path", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-By", "X-Forwarded-Tls-Client-Cert",
		"X-Forwarded-Client-Cert", "X-Forwarded-Unheard-Of", "X-Forwarded", "Forwarded", "X-Real-Ip", "X-Rewrite-Url", "X-Original-Method", "X-Http-Method-Override", "X-Host", "Proxy")
	answers := func(request string, status int, path string) try {
		return try{request: request, status: status, arrives: path, also: func(t *testing.T, a *answer, got recorded) {
			unforged(t, a, got)
			for name, values := range a.Header {
				if strings.Contains(strings.Join(values, "\n"), "forged") {
					t.Errorf("%s answers %q", name, values)
				}
			}
		}}
	}
	ask := func(path string, status int) try {
		one := answers(asks(path, s.host, "/x", "X-Forwarded-Prefix: /public\r\nX-Forwarded-Port: 1\r\nX-Forwarded-Server: forged\r\nX-Forwarded-Path: /public/x\r\n"), status, "")
		one.to = s.p.private.addr()
		return one
	}
	s.row(t, "CVE-2026-35051 CVE-2026-54764 nothing of X-Forwarded is believed by default", advisory{
		refused: tries{"nobody": answers(get(s.host, "/x", family), 302, ""), "forward auth": ask(authAny, 302), "nginx": ask(authNginx, 401)},
		honest:  tries{"a member": {request: get(s.host, "/x", marie), status: 200, arrives: "/x", also: s.knows("U0MARIE")}},
		forged:  tries{"a member": answers(get(s.host, "/x", marie+family), 200, "/x"), "a public page": answers(get(s.host, "/public/x", family), 200, "/public/x"), "what nobody may": answers(get(s.host, "/admin/secret", marie+family), 403, "")},
	})
}

// onePath: what was decided about is what the app is asked for.
func (s *siege) onePath(t *testing.T, marie string) {
	decided := func(cookie string) tries {
		out := tries{}
		for target, want := range map[string]try{
			"/public/%2fx": {status: 400}, "/public%2Fx": {status: 400}, "/public/%2e%2e%2fadmin/secret": {status: 400}, "/public/%5c..%5cadmin": {status: 400}, "/public/%09x": {status: 400}, "/public/%7f": {status: 400},
			"/admin%2fsecret": {status: 400}, "/%61dmin/secret": {status: 403}, "/dossiers%3F": {}, "/dossiers%23/public/x": {}, "/dossiers%20": {}, "/admin/secret/": {status: 403}, "/admin/secret?x": {status: 403}, "/admin/secret;x": {status: 403},
			"/public/x%23/../../admin/secret": {status: 403}, "/public/x?/../../admin/secret": {status: 200, arrives: "/public/x?/../../admin/secret"},
			"/public/%c3%a9": {status: 200, arrives: "/public/%C3%A9"}, "/public/\u00e9": {status: 200, arrives: "/public/%C3%A9"}, "/public/%ff": {status: 200, arrives: "/public/%FF"}, "/public/%7e%41": {status: 200, arrives: "/public/~A"},
			"/public/a%3bb": {status: 200, arrives: "/public/a%3Bb"}, "/public/a;b=1/c": {status: 200, arrives: "/public/a;b=1/c"}, "/public/%25": {status: 200, arrives: "/public/%25"}, "/public?x=%2f..&y=a;b&%zz": {status: 200, arrives: "/public?x=%2f..&y=a;b&%zz"},
			"/publicx": {}, "/PUBLIC/x": {}, "/x/public/x": {}, "*": {status: 400},
		} {
			if want.status == 0 { // a page for members, whatever its name looks like
				want.status = 302
				if cookie != "" {
					want.status, want.arrives = 200, target
				}
			}
			want.request = get(s.host, target, cookie)
			out[target] = want
		}
		return out
	}
	s.row(t, "CVE-2026-40912 CVE-2026-48020 CVE-2026-65600 CVE-2025-66490 CVE-2025-47952 CVE-2025-32431 CVE-2023-47106 one path for matcher and app", advisory{
		refused: decided(""), forged: decided(marie),
		honest: tries{"a public page": {request: get(s.host, "/public/x?a=%2F", ""), status: 200, arrives: "/public/x?a=%2F"}},
	})
}

// tunnels are requests after which a connection is no longer HTTP, or should not
// be: with one more behind each, which nobody may answer.
func (s *siege) tunnels(marie string) advisory {
	ends := func(t *testing.T, a *answer, got recorded) {
		if a == nil || !a.Close {
			t.Error("the connection goes on")
		}
		if got.line != "" {
			unforged(t, a, got)
		}
	}
	behind := get(s.host, "/public/smuggled", "")
	connect := func(target, more string) try {
		return try{request: "CONNECT " + target + " HTTP/1.1\r\nHost: " + s.host + "\r\n" + marie + more + "\r\n" + behind, status: 501, also: ends}
	}
	upgrade := func(target, to, more string, status int, arrives string) try {
		return try{request: get(s.host, target, "Connection: Upgrade\r\nUpgrade: "+to+"\r\n"+more) + behind, status: status, arrives: arrives, also: ends}
	}
	const handshake = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
	own := "Origin: " + s.origin + "\r\n" + handshake
	return advisory{
		refused: tries{
			"a WebSocket":      upgrade("/x", "websocket", own, 401, ""),
			"another protocol": upgrade("/x", "forged", "", 302, ""),
		},
		honest: tries{"a WebSocket that the app declines": upgrade("/x", "websocket", marie+own, 200, "/x")},
		forged: tries{
			"CONNECT a host":           connect(s.host, ""),
			"CONNECT the app":          connect(strings.TrimPrefix(s.app.url(), "http://"), ""),
			"CONNECT a path":           connect("/public/x", ""),
			"CONNECT with a body":      connect("/public/x", "Content-Length: 5\r\n"),
			"CONNECT in chunks":        connect("/public/x", "Transfer-Encoding: chunked\r\n"),
			"h2c":                      upgrade("/public/x", "h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n", 200, "/public/x"),
			"h2c and WebSocket":        upgrade("/public/x", "h2c, websocket", own, 200, "/public/x"),
			"of another site":          upgrade("/x", "websocket", marie+"Origin: http://"+s.rival+"\r\n"+handshake, 403, ""),
			"a WebSocket of no origin": upgrade("/x", "websocket", marie+handshake, 403, ""),
			"TLS":                      upgrade("/public/x", "TLS/1.0", "", 200, "/public/x"),
		},
	}
}

// TestAdvisoryTraefikThirdParties: what strangers (here Slack) get of people, and
// what they can make the gateway read.
func TestAdvisoryTraefikThirdParties(t *testing.T) {
	t.Parallel()
	spy := &passer{}
	s := besiege(t, func(config string) string { return spy.between(t, config) })
	cookie := s.cookie("U0MARIE")
	s.row(t, "CVE-2026-41181 cookies go to no third party", advisory{
		honest: tries{"a member": {request: get(s.host, "/x", "Cookie: app=kept; "+cookie+"\r\n"), status: 200, arrives: "/x", also: func(t *testing.T, _ *answer, got recorded) {
			if got.value("Cookie") != "app=kept" {
				t.Errorf("the app got the cookies %q", got.value("Cookie"))
			}
		}}},
	})
	calls, told := spy.seen()
	for _, no := range []string{"Cookie", "X-Forwarded", "X-Gateway", "Referer", cookie[3:40]} {
		if strings.Contains(told, no) {
			t.Errorf("CVE-2026-41181: Slack was told %s", no)
		}
	}
	if calls == 0 {
		t.Error("CVE-2026-41181: the sign-in asked Slack nothing")
	}

	var written atomic.Int64
	s.slack.Fault(slacksim.Fault{Method: "openid.connect.token", Times: 1, Kind: slacksim.Custom, Answer: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		part := []byte(`{"ok":true,"x":"` + strings.Repeat("x", 64<<10))
		for written.Load() < 256<<20 {
			n, err := w.Write(part)
			if written.Add(int64(n)); err != nil {
				return
			}
		}
	}})
	m := s.browser(s.p)
	at := m.ask("GET", s.origin+"/x", nil).Request.URL.String()
	end := m.ask("POST", at, url.Values{"person": {customers[0].Team + ":U0PAUL"}})
	if n := written.Load(); end.StatusCode != 502 || n > 64<<20 {
		t.Errorf("CVE-2026-26998: a boundless answer of Slack's ended with %d after %d MiB", end.StatusCode, n>>20)
	}
	hook := "POST /.gateway/v1/notifications HTTP/1.1\r\nHost: " + s.host + "\r\nContent-Type: application/json\r\n"
	s.row(t, "CVE-2026-26998 what is read is bounded", advisory{
		refused: tries{"a body of nobody's": {request: hook + "Content-Length: 4000000000\r\n\r\n", status: 401}},
		honest:  tries{"a member": {request: get(s.host, "/x", "Cookie: "+cookie+"\r\n"), status: 200, arrives: "/x"}},
		forged: tries{
			"a long body": {request: hook + "Authorization: Bearer " + customers[0].HookToken + "\r\nContent-Length: 4000000000\r\n\r\n{" + strings.Repeat(" ", 2<<20), status: 413},
			"chunks":      {request: hook + "Authorization: Bearer " + customers[0].HookToken + "\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n" + strings.Repeat(" ", 2<<20) + "\r\n", status: 413},
			"an event":    {request: strings.Replace(hook, "v1/notifications", "slack/events", 1) + "Content-Length: 4000000000\r\n\r\n{" + strings.Repeat(" ", 2<<20), status: 413},
		},
	})
}

// TestAdvisoryTraefikSharedFlight is about CVE-2026-71326: people at once, each is
// who they are.
func TestAdvisoryTraefikSharedFlight(t *testing.T) {
	t.Parallel()
	s := besiege(t, nil)
	cookies := map[string]string{"": ""}
	for _, user := range []string{"U0MARIE", "U0PAUL", "U0INES"} {
		cookies[user] = "Cookie: " + s.cookie(user) + "\r\n"
	}
	t.Run("CVE-2026-71326 people at once are not mixed up", func(t *testing.T) {
		s.app.requests()
		var all sync.WaitGroup
		for i := range 25 {
			for user, cookie := range cookies {
				all.Go(func() {
					attackAll(t, s.p.public.addr(), nil, strings.Repeat(get(s.host, fmt.Sprintf("/public/%d?%s", i, user), cookie), 3), 3)
				})
			}
		}
		all.Wait()
		got := s.app.requests()
		for _, r := range got {
			if _, user, _ := strings.Cut(r.target(), "?"); r.value("X-Forwarded-User") != user || (r.value("X-Gateway-Assertion") == "") != (user == "") {
				t.Errorf("%s arrived as of %q", r.target(), r.value("X-Forwarded-User"))
			}
		}
		if len(got) != 25*3*len(cookies) {
			t.Errorf("%d requests arrived", len(got))
		}
	})
}
