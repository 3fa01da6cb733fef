package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// roundTrip is a sign-in under way: what the browser holds, and Slack is asked.
type roundTrip struct {
	s      *siege
	host   string
	cookie string // header line with its line end
	slack  *url.URL
}

// begins sends a request that is led to Slack.
func (s *siege) begins(t *testing.T, host, request string) roundTrip {
	t.Helper()
	a := s.attack(request)
	if a == nil {
		t.Fatal("no answer")
	}
	to, err := url.Parse(a.Header.Get("Location"))
	if err != nil || a.StatusCode != http.StatusFound || !strings.HasPrefix(to.String(), s.slack.URL()+"/") {
		t.Fatalf("answered %d to %q, want a way to Slack", a.StatusCode, to)
	}
	return roundTrip{s, host, cookieLine(a), to}
}

// cookieLine is what a browser sends after an answer that sets cookies.
func cookieLine(a *answer) string {
	var pairs []string
	for _, c := range a.Cookies() {
		if c.MaxAge >= 0 {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
	}
	return "Cookie: " + strings.Join(pairs, "; ") + "\r\n"
}

// state is the sealed one that Slack hands back.
func (r roundTrip) state() string { return r.slack.Query().Get("state") }

// picks chooses a person of a customer's at Slack, and gives the callback: path
// and query.
func (r roundTrip) picks(t *testing.T, c customer, user string) string {
	t.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.PostForm(r.slack.String(), url.Values{"person": {c.Team + ":" + user}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	back, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || back.Host != r.host {
		t.Fatalf("Slack answers %d to %q", resp.StatusCode, back)
	}
	return back.RequestURI()
}

// enters signs somebody of the first customer in, from a page on, and gives the
// cookies after it, and where it ends.
func (s *siege) enters(t *testing.T, target, user, more string) (cookie, end string) {
	t.Helper()
	r := s.begins(t, s.host, get(s.host, target, more))
	a := s.attack(get(s.host, r.picks(t, customers[0], user), r.cookie))
	if a == nil || a.StatusCode != http.StatusFound {
		t.Fatalf("the callback answers %v", a)
	}
	cookie = cookieLine(a)
	next, err := url.Parse(a.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	if a = s.attack(get(s.host, next.RequestURI(), cookie)); a == nil || a.StatusCode != http.StatusFound {
		t.Fatalf("after the callback comes %v", a)
	}
	return cookie, a.Header.Get("Location")
}

// ends gives the return address that a state holds: who has a session by now is
// sent there by the callback.
func (r roundTrip) ends(t *testing.T, session string) string {
	t.Helper()
	a := r.s.attack(get(r.host, "/.gateway/callback?code=x&state="+url.QueryEscape(r.state()), session))
	if a == nil || a.StatusCode != http.StatusFound {
		t.Fatalf("the callback answers %v", a)
	}
	return a.Header.Get("Location")
}
