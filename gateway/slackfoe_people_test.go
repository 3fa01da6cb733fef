package gateway_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slackapi/slackfoe"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// TestAttackBySlackAtDiscovery: each hostile answer instead of the discovery
// document. Nobody is sent anywhere but to a page of ours, and as soon as the
// document is good, to Slack.
func TestAttackBySlackAtDiscovery(t *testing.T) {
	var astray atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { astray.Add(1) }))
	t.Cleanup(elsewhere.Close)
	w := newWorld(t)
	answers := slackfoe.Answers(elsewhere.URL)
	const document = `{"issuer":%q,"authorization_endpoint":%q,"token_endpoint":%q,"jwks_uri":%q,"userinfo_endpoint":%q}`
	good := func(i int, bad string) http.HandlerFunc {
		all := []any{w.slack.URL(), w.slack.URL() + "/a", w.slack.URL() + "/t", w.slack.URL() + "/k", w.slack.URL() + "/u"}
		all[i] = bad
		return status(200, fmt.Sprintf(document, all...))
	}
	answers["another issuer"], answers["an issuer with a slash"] = good(0, "https://evil.example"), good(0, w.slack.URL()+"/")
	answers["a script to sign in with"], answers["a path to sign in at"] = good(1, "javascript:alert(1)"), good(1, "//evil.example/x")
	answers["tokens to a file"], answers["keys from a file"] = good(2, "file:///etc/passwd"), good(3, "file:///etc/passwd")
	answers["no token endpoint"], answers["no keys"] = good(2, ""), good(3, "")
	answers["userInfo with a password"] = good(4, "https://user:password@evil.example/")
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			w.slack.Fault(slacksim.Fault{Method: "discovery", Kind: slacksim.Custom, Answer: answer})
			defer w.slack.ClearFaults()
			w.lose(3 * time.Second)
			if got := w.browser().get(w.routes[0].Origin + "/"); got.StatusCode != 503 || got.Header.Get("Retry-After") == "" || strings.Contains(got.text, "<script") {
				t.Errorf("answered %d, to %s: %.200s", got.StatusCode, got.Header.Get("Location"), got.text)
			}
		})
	}
	w.lose(3 * time.Second)
	if got := w.browser().get(w.routes[0].Origin + "/"); got.StatusCode != 302 {
		t.Errorf("afterwards %d", got.StatusCode)
	}
	if strings.Contains(w.log.String(), "\x1b") || astray.Load() > 0 {
		t.Errorf("%d redirects were followed, or Slack's words are in the log", astray.Load())
	}
}

// TestAttackBySlackAtGroups: a listing that is none takes nobody's groups away
// and gives nobody any.
func TestAttackBySlackAtGroups(t *testing.T) {
	o := newOffice(t, nil)
	marie := o.arrives("U0MARIE")
	for name, answer := range slackfoe.Answers("http://127.0.0.1:1") {
		t.Run(name, func(t *testing.T) {
			o.slack.Fault(slacksim.Fault{Method: "usergroups.list", Kind: slacksim.Custom, Answer: answer})
			o.hears("subteam_updated", map[string]any{"subteam": map[string]any{"id": "S0OTHER", "handle": "other"}}) // so that it is asked for
			o.pass(time.Minute)
			got := marie.get(o.admin)
			if refuses := strings.Contains(name, "error"); got.StatusCode != 200 && !refuses {
				t.Errorf("Marie gets %d %s", got.StatusCode, title(got.text))
			}
			o.slack.ClearFaults()
			o.pass(16 * time.Minute)
			o.wants(marie, o.admin, 200, "app")
		})
	}
}

// TestAttackByHandles: a handle that is none, which somebody in the workspace may
// have chosen, spoils nobody's sign-in and no header, on either engine.
func TestAttackByHandles(t *testing.T) {
	const groups = `{"ok":true,"usergroups":[{"id":"S0ADMINS1","handle":"cocoom-admins","users":["U0PAUL"]}`
	var more strings.Builder
	for i, handle := range []string{`a\u0000b`, `a\r\nX-Forwarded-User: U0MARIE`, `\u202eadmins`, `<script>`, `a,cocoom-owners`, `\ud800`, strings.Repeat("h", 100<<10)} {
		fmt.Fprintf(&more, `,{"id":"S0EVIL%d","handle":"%s","users":["U0PAUL","U0\u0000"]}`, i, handle)
	}
	more.WriteString(`,{"id":"S0\u0000","handle":"x","users":["U0PAUL"]}]}`)
	eachOffice(t, func(t *testing.T, o *office) {
		o.slack.Fault(slacksim.Fault{Method: "usergroups.list", Kind: slacksim.Custom, Answer: status(200, groups+more.String())})
		paul := o.arrives("U0PAUL")
		o.hears("subteam_updated", map[string]any{"subteam": map[string]any{"id": "S0ADMINS1", "handle": "a\x00b"}})
		o.pass(time.Minute)
		o.wants(paul, o.admin, 200, "app")
		if got := o.last().Header.Get("X-Forwarded-Groups"); strings.Contains(got, "owners") || len(got) > 1000 || !strings.Contains(got, admins) {
			t.Errorf("the app is told the groups %.300q", got)
		}
	})
}

// TestAttackByEndlessPeople: a list of people whose pages never end, or of
// millions, keeps nobody's turn from them: they are asked about one by one.
func TestAttackByEndlessPeople(t *testing.T) {
	o := newOffice(t, nil)
	o.gateway.ListPeopleAbove(1)
	paul, marie := o.arrives("U0PAUL"), o.arrives("U0MARIE")
	o.slack.Fault(slacksim.Fault{Method: "users.list", Kind: slacksim.Custom, Answer: status(200, `{"ok":true,"members":[{"id":"U0OTHER"}],"response_metadata":{"next_cursor":"again"}}`)})
	o.becomes("U0PAUL", deactivate)
	o.pass(16 * time.Minute)
	for range 6 { // minutes
		o.pass(time.Second)
	}
	o.wants(paul, o.page, 302, "")
	o.wants(marie, o.page, 200, "app")
}
