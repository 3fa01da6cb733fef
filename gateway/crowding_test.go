package gateway_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// makesUp begins a sign-in at an address and comes back with a code that Slack does
// not know.
func (w *world) makesUp(address string) *httptest.ResponseRecorder {
	w.t.Helper()
	at := w.routes[0].Origin
	state, cookie := w.begin(address, at)
	return w.from(address, "GET", at+"/.gateway/callback?code=forged&state="+url.QueryEscape(state), "", "Cookie", cookie)
}

// TestRushOfAnOffice: 300 people behind one address come in the same moment, and
// all of them come in. They wait in line for Slack rather than be sent away.
func TestRushOfAnOffice(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) { c.Limits.Logins = 0 })
	at := w.routes[0].Origin
	var all sync.WaitGroup
	for range 300 {
		all.Go(func() {
			if a := w.browser().signIn(at+"/dossiers", teams[0], "U0MARIE"); a.StatusCode != 302 || a.Header.Get("Location") != at+"/dossiers" {
				t.Errorf("somebody is answered %d: %s", a.StatusCode, a.text)
			}
		})
	}
	all.Wait()
	if n := len(w.slack.Calls("openid.connect.token")); n != 300 {
		t.Errorf("%d exchanges", n)
	}
}

// TestAttackBotnet: codes that come from many addresses at once keep nobody out who
// comes from elsewhere, be it with a browser that has never been in; nor do they use
// up what Slack takes. What counts is the network: a /48 of IPv6 has 65,536 clients.
func TestAttackBotnet(t *testing.T) {
	for name, row := range map[string]struct {
		address func(i int) string
		most    int // codes that reach Slack at once
	}{
		"three addresses, the gap of old": {func(i int) string { return fmt.Sprintf("203.0.%d.7:1", i%3) }, 96},
		"ten addresses":                   {func(i int) string { return fmt.Sprintf("203.0.%d.7:1", i%10) }, 120},
		"a /48":                           {func(i int) string { return fmt.Sprintf("[2001:db8:1:%x::1]:1", i) }, 72},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for i := range 120 {
				w.makesUp(row.address(i))
			}
			if n := len(w.slack.Calls("openid.connect.token")); n > row.most {
				t.Errorf("Slack is asked about %d made-up codes", n)
			}
			w.lose(30 * time.Second)
			for i := range 120 { // and goes on
				w.makesUp(row.address(i))
			}
			if a := w.browser().signIn(w.routes[0].Origin+"/", teams[0], "U0MARIE"); a.StatusCode != 302 {
				t.Errorf("somebody from elsewhere is answered %d", a.StatusCode)
			}
		})
	}
}

// TestAttackSlackIsSlow: of a route's codes only so many are at Slack at once, and
// whoever else comes waits, before those that a stranger has sent in numbers.
func TestAttackSlackIsSlow(t *testing.T) {
	w := newWorld(t)
	w.slack.Fault(slacksim.Fault{Method: "openid.connect.token", Kind: slacksim.Hang, Times: 32})
	var strangers sync.WaitGroup
	for range 64 {
		strangers.Go(func() { w.makesUp(attacker) })
	}
	if _, err := w.slack.AwaitCalls(t.Context(), "openid.connect.token", 32); err != nil {
		t.Fatal(err)
	}
	person := make(chan answer)
	go func() { person <- w.browser().signIn(w.routes[0].Origin+"/", teams[0], "U0MARIE") }()
	if n := len(w.slack.Calls("openid.connect.token")); n != 32 {
		t.Errorf("%d codes are at Slack", n)
	}
	w.slack.Release()
	if a := <-person; a.StatusCode != 302 {
		t.Errorf("who waited is answered %d: %s", a.StatusCode, a.text)
	}
	strangers.Wait()
}

// TestWhoIsHeldBackComesAgain: who is told to come later with a good code comes in
// with it then, by the page's own button, and is never told that it was their third
// try in vain, nor that their browser keeps no cookies.
func TestWhoIsHeldBackComesAgain(t *testing.T) {
	w := newWorld(t)
	at := w.routes[0].Origin
	for range 200 {
		w.makesUp("127.0.0.1:9")
	}
	b := w.browser()
	back := b.pick(b.get(at+"/dossiers").Header.Get("Location"), teams[0], "U0MARIE").Header.Get("Location")
	for name, row := range map[string]struct{ language, says string }{
		"English": {"en", "more have come"},
		"French":  {"fr", "il en est venu davantage"},
	} {
		for range 4 {
			a := b.get(back, "Accept-Language", row.language)
			if a.StatusCode != 503 && a.StatusCode != 429 || a.Header.Get("Retry-After") == "" {
				t.Fatalf("%s: answered %d", name, a.StatusCode)
			}
			if !strings.Contains(a.text, "/.gateway/callback?") || strings.Contains(a.text, "third") || strings.Contains(a.text, "troisième") {
				t.Errorf("%s: %s", name, a.text)
			}
			if a.StatusCode == 503 && !strings.Contains(a.text, row.says) {
				t.Errorf("%s: %s", name, a.text)
			}
		}
	}
	w.lose(30 * time.Second)
	if a := b.land(b.get(back)); a.StatusCode != 302 || a.Header.Get("Location") != at+"/dossiers" {
		t.Errorf("later: %d %s", a.StatusCode, a.text)
	}

	w.slack.Fault(slacksim.Fault{Method: "openid.connect.token", Kind: slacksim.RateLimited, RetryAfter: 7 * time.Second})
	stranger := w.browser()
	next := at + "/dossiers?id=7"
	for range 5 {
		first := stranger.get(next)
		a := stranger.get(stranger.pick(first.Header.Get("Location"), teams[0], "U0PAUL").Header.Get("Location"))
		if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") != "7" || strings.Contains(a.text, "third") {
			t.Fatalf("answered %d, Retry-After %s: %s", a.StatusCode, a.Header.Get("Retry-After"), a.text)
		}
		if next = at + "/.gateway/login?to=%2Fdossiers%3Fid%3D7"; !strings.Contains(a.text, next) {
			t.Fatalf("no way to %s in %s", next, a.text)
		}
	}
}
