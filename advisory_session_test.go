package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
)

// TestAdvisoryOAuth2ProxySession: a callback signs in only the browser that asked
// for it, and a session ends where another begins.
func TestAdvisoryOAuth2ProxySession(t *testing.T) {
	t.Parallel()
	s := besiege(t, nil)
	s.row(t, "CVE-2017-1000069 a callback without its state's cookie", s.callbacks(t))
	s.row(t, "CVE-2026-34454 an old session's cookie", advisory{
		honest: tries{"a session": {request: get(s.host, "/x", "Cookie: "+s.cookie("U0PAUL")+"\r\n"), status: 200, arrives: "/x"}},
		more: map[string]func(*testing.T){
			"refused when forged, signed out":          s.signedOutCopy,
			"refused when forged, signed in again":     s.signedInAgain,
			"refused when forged, left by break-glass": s.replacedByGlass,
		},
	})
}

// callback is what Slack sends a browser back with.
type callback struct {
	query  url.Values
	cookie string // header line of the browser's
}

// with gives the callback with other values, by name.
func (c callback) with(set ...string) callback {
	for i := 0; i < len(set); i += 2 {
		c.query.Set(set[i], set[i+1])
	}
	return c
}

// at is the callback as a request to a host.
func (c callback) at(host string) string {
	return get(host, "/.gateway/callback?"+c.query.Encode(), c.cookie)
}

// callback is an honest one.
func (s *siege) callback(t *testing.T) callback {
	t.Helper()
	r := s.begins(t, s.host, get(s.host, "/x", ""))
	back, err := url.Parse(r.picks(t, customers[0], "U0PAUL"))
	if err != nil {
		t.Fatal(err)
	}
	return callback{back.Query(), r.cookie}
}

// callbacks are ways to have somebody else's browser signed in, or one's own as
// somebody else.
func (s *siege) callbacks(t *testing.T) advisory {
	t.Helper()
	nobody := func(t *testing.T, a *answer, _ recorded) {
		if set := cookieLine(a); strings.Contains(set, "gw=") {
			t.Errorf("somebody is signed in: %s", set)
		}
	}
	with := func(cookie string) callback {
		c := s.callback(t)
		c.cookie = cookie
		return c
	}
	spelled := func(change func(state string) string) callback {
		c := s.callback(t)
		return c.with("state", change(c.query.Get("state")))
	}
	flipped := func(state string) string {
		b := []byte(state)
		b[len(b)/2] ^= 1
		return string(b)
	}
	used := s.callback(t)
	if a := s.attack(used.at(s.host)); a == nil || !strings.Contains(cookieLine(a), "gw=") {
		t.Fatalf("an honest callback is answered %v", a)
	}
	twice := strings.Replace(s.callback(t).at(s.host), "callback?", "callback?state=x&", 1)
	form := s.callback(t)
	form.cookie += "Content-Length: 0\r\n"
	return advisory{
		refused: tries{
			"no query":             {request: get(s.host, "/.gateway/callback", ""), status: 400, also: nobody},
			"no state":             {request: s.callback(t).with("state", "").at(s.host), status: 400, also: nobody},
			"another browser's":    {request: with("").at(s.host), status: 302, also: nobody}, // which begins a sign-in of its own
			"a cookie of no state": {request: with("Cookie: gw-tab-00=AAAAAAAAAAAAAAAA; gw-tab-01=AAAAAAAAAAAAAAAA\r\n").at(s.host), status: 302, also: nobody},
		},
		honest: tries{"its own": {request: s.callback(t).at(s.host), status: 302, also: func(t *testing.T, a *answer, _ recorded) {
			if set := cookieLine(a); !strings.Contains(set, "gw=") {
				t.Errorf("nobody is signed in: %s", set)
			}
		}}},
		forged: tries{
			"another's code in a state of one's own": {request: s.callback(t).with("code", s.callback(t).query.Get("code")).at(s.host), status: 502, also: nobody}, // its nonce is another
			"a bit flipped":                          {request: spelled(flipped).at(s.host), status: 400, also: nobody},
			"spelled anew":                           {request: spelled(func(state string) string { return state + "\n" }).at(s.host), status: 400, also: nobody},
			"padded":                                 {request: spelled(func(state string) string { return state + "==" }).at(s.host), status: 400, also: nobody},
			"on another route":                       {request: s.callback(t).at(s.rival), status: 400, also: nobody},
			"of another issuer":                      {request: s.callback(t).with("iss", "https://evil.example").at(s.host), status: 400, also: nobody},
			"without a code":                         {request: s.callback(t).with("code", "").at(s.host), status: 400, also: nobody},
			"as a form":                              {request: strings.Replace(form.at(s.host), "GET", "POST", 1), status: 405, also: nobody},
			"two states":                             {request: twice, status: 400, also: nobody},
			"a second time":                          {request: used.at(s.host), status: 400, also: nobody},
		},
	}
}

// signedOutCopy: a copy of a cookie is worth nothing after its person has signed out.
func (s *siege) signedOutCopy(t *testing.T) {
	copied := "Cookie: " + s.cookie("U0INES") + "\r\n"
	s.try(t, try{request: get(s.host, "/x", copied), status: 200, arrives: "/x"})
	s.try(t, try{request: signOut(s.host, copied+"Origin: "+s.origin+"\r\n"), status: 303, also: func(t *testing.T, a *answer, _ recorded) {
		if set := fmt.Sprint(a.Header["Set-Cookie"]); !strings.Contains(set, "gw=;") || !strings.Contains(set, "Max-Age=0") || a.Header.Get("Clear-Site-Data") == "" {
			t.Errorf("the browser keeps what it has: %v", a.Header)
		}
	}})
	for _, page := range []string{"/x", "/.gateway/", "/.gateway/login"} {
		s.try(t, try{request: get(s.host, page, copied), status: 302})
	}
	s.try(t, try{request: get(s.host, "/.gateway/me", copied), status: 401})
}

// signedInAgain: who signs in with an old cookie still there gets another session,
// of another id, and the old one stays over.
func (s *siege) signedInAgain(t *testing.T) {
	old, _ := s.enters(t, "/x", "U0INES", "")
	before := s.sid(t, old)
	s.try(t, try{request: signOut(s.host, old+"Origin: "+s.origin+"\r\n"), status: 303})
	renewed, _ := s.enters(t, "/x", "U0PAUL", old)
	if after := s.sid(t, renewed); after == before || after == "" {
		t.Errorf("the session is still %s", after)
	}
	s.try(t, try{request: get(s.host, "/x", old), status: 302})
	another, _ := s.enters(t, "/x", "U0PAUL", "")
	if s.sid(t, another) == s.sid(t, renewed) {
		t.Error("two sign-ins have one session")
	}
}

// replacedByGlass: a session that was there before a break-glass link is used ends.
func (s *siege) replacedByGlass(t *testing.T) {
	old, _ := s.enters(t, "/x", "U0INES", "")
	link, err := s.p.gateway.MakeBreakGlass(t.Context(), gateway.BreakGlass{Host: customers[0].Host, Email: "marie@agrafmania.fr", For: time.Hour, By: "lea"})
	if err != nil {
		t.Fatal(err)
	}
	at := strings.TrimPrefix(link.URL.Reveal(), s.origin)
	use := func(more string) string {
		return "POST " + at + " HTTP/1.1\r\nHost: " + s.host + "\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nContent-Length: 0\r\n" + more + "\r\n"
	}
	s.try(t, try{request: use(old + "Origin: http://" + s.rival + "\r\n"), status: 403})
	s.try(t, try{request: strings.Replace(use("Origin: http://"+s.rival+"\r\n"), "Host: "+s.host, "Host: "+s.rival, 1), status: 410})
	s.try(t, try{request: get(s.host, "/x", old), status: 200, arrives: "/x"})
	var glass string
	s.try(t, try{request: use(old + "Origin: " + s.origin + "\r\n"), status: 303, also: func(_ *testing.T, a *answer, _ recorded) { glass = cookieLine(a) }})
	s.try(t, try{request: get(s.host, "/x", glass), status: 200, arrives: "/x"})
	s.try(t, try{request: get(s.host, "/x", old), status: 302})
	s.try(t, try{request: use("Origin: " + s.origin + "\r\n"), status: 410})
}

// sid is the session's id as the app is told it.
func (s *siege) sid(t *testing.T, cookie string) string {
	t.Helper()
	var sid string
	s.try(t, try{request: get(s.host, "/x", cookie), status: 200, arrives: "/x", also: func(t *testing.T, _ *answer, got recorded) {
		sid, _ = claims(t, got.value("X-Gateway-Assertion"))["sid"].(string)
	}})
	return sid
}

// claims are what an assertion says.
func claims(t *testing.T, assertion string) (all map[string]any) {
	t.Helper()
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		t.Fatalf("no assertion: %q", assertion)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(raw, &all)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}
