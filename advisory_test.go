package main

import (
	"net/url"
	"strings"
	"testing"
)

// The advisory suite: what broke gateways like this one, tried on the running
// gateway with raw bytes. docs/advisories.md is its table of contents, and
//
//	go test -run Advisory -v ./...
//
// lists it by id. There is one test function for each of the peers, or for a
// theme of theirs (TestAdvisoryOAuth2ProxyReturnAddress, TestAdvisoryCaddy, …),
// which starts one siege, and a row for each advisory, whose name begins with all
// of its ids, written out, and goes on with a few words of the attack:
//
//	func TestAdvisoryOAuth2ProxyRules(t *testing.T) {
//		t.Parallel()
//		s := besiege(t, nil)
//		marie := "Cookie: " + s.cookie("U0MARIE") + "\r\n"
//		s.row(t, "CVE-2025-54576 the query is no path", advisory{
//			refused: tries{
//				"a public path in the query": {request: get(s.host, "/private?x=/public/", ""), status: 302},
//			},
//			honest: tries{
//				"a public page": {request: get(s.host, "/public/?x=/private", ""), status: 200, arrives: "/public/?x=/private"},
//			},
//			forged: tries{
//				"for nobody": {request: get(s.host, "/admin/secret?x=/public/", marie), status: 403},
//			},
//		})
//	}
//
// What does not apply has a comment of its own line in the test function, which
// the table then repeats for readers of the product:
//
//	// does not apply: CVE-2022-40083, CVE-2026-25766: no files are served
//
// Where a test of a package proves a row deeper, its comment names the id as well.

// advisory is a row: the attacks of one advisory, or of several with one cause.
type advisory struct {
	refused tries // without a session
	honest  tries // as it is meant to be done: the row could fail
	forged  tries // with what the attacker has: a session of their own, a copy, a forgery
}

// tries are attacks or honest requests by name.
type tries map[string]try

// try is one request, and what must come of it.
type try struct {
	request string
	to      string // the listener's address; empty: the public one
	status  int    // of the answer; 0: the connection is closed without one
	arrives string // what the app is asked for, path and query byte for byte; empty: nothing
	// also is what must hold besides, nil if nothing: of the answer (nil if there is
	// none) and of the request that the app has got (empty if it has not).
	also func(t *testing.T, a *answer, got recorded)
}

// row runs the three cases of an advisory, those that there are.
func (s *siege) row(t *testing.T, name string, row advisory) {
	t.Run(name, func(t *testing.T) {
		for _, one := range []struct {
			name  string
			tries tries
		}{{"refused without a session", row.refused}, {"passes honestly", row.honest}, {"refused when forged", row.forged}} {
			if one.tries == nil {
				continue
			}
			t.Run(one.name, func(t *testing.T) {
				for name, try := range one.tries {
					t.Run(name, func(t *testing.T) { s.try(t, try) })
				}
			})
		}
	})
}

// try sends one request, to the first customer's gateway, and judges what came of
// it. That no answer leads elsewhere or tells a secret holds for all of them.
func (s *siege) try(t *testing.T, one try) {
	s.app.requests()
	s.other.requests()
	if one.to == "" {
		one.to = s.p.public.addr()
	}
	var a *answer
	status := 0
	if all := attackAll(t, one.to, nil, one.request, 1); len(all) > 0 {
		a, status = all[0], all[0].StatusCode
		s.stays(t, a)
	}
	if status != one.status {
		t.Errorf("answered %d, want %d, to %.300q", status, one.status, one.request)
	}
	var first recorded
	got := append(s.app.requests(), s.other.requests()...)
	for _, r := range got {
		if r.broken != nil {
			t.Errorf("the app's connection is out of step: %v", r.broken)
		}
	}
	if len(got) > 0 {
		first = got[0]
	}
	if target := first.target(); len(got) > 1 || target != one.arrives {
		t.Errorf("%d requests arrived, the first for %q, want one for %q", len(got), target, one.arrives)
	}
	if one.also != nil {
		one.also(t, a, first)
	}
}

// target is the path and query of a request, byte for byte.
func (req recorded) target() string {
	_, rest, _ := strings.Cut(req.line, " ")
	target, _, _ := strings.Cut(rest, " HTTP/")
	return target
}

// stays fails if an answer leads a browser to another site than the host that was
// asked or the Slack that is configured, or tells what is nobody's to know.
func (s *siege) stays(t *testing.T, a *answer) {
	t.Helper()
	for _, name := range []string{"Location", "Refresh", "Content-Location", "Link"} {
		for _, to := range a.Header.Values(name) {
			if !s.within(to) {
				t.Errorf("%s leads to %q", name, to)
			}
		}
	}
	for what, value := range map[string]string{"client secret": customers[0].ClientSecret, "bot token": customers[0].BotToken,
		"hook token": customers[0].HookToken, "service token": s.cron} {
		if strings.Contains(a.body, value) {
			t.Errorf("the %s stands in the answer", what)
		}
		for name, values := range a.Header {
			if strings.Contains(strings.Join(values, "\n"), value) {
				t.Errorf("the %s stands in %s", what, name)
			}
		}
	}
}

// within reports whether an address leads to one of the two hosts, or to Slack's
// authorization for one of them. Browsers read a backslash as a slash and leave
// out tabs and line ends (https://url.spec.whatwg.org/#url-parsing), so that none
// of these may stand there.
func (s *siege) within(to string) bool {
	u, err := url.Parse(to)
	if err != nil || strings.ContainsAny(to, "\\\t\r\n") || u.User != nil {
		return false
	}
	if strings.HasPrefix(to, s.slack.URL()+"/") {
		back, err := url.Parse(u.Query().Get("redirect_uri"))
		return err == nil && back.Scheme == "http" && (back.Host == s.host || back.Host == s.rival)
	}
	return u.Scheme == "http" && (u.Host == s.host || u.Host == s.rival)
}
