package gateway_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/policy"
)

// keptOut gives Paul's browser, whose session does not count while Slack cannot
// be asked about him, and a thief with a copy of its cookie.
func keptOut(t *testing.T) (o *office, paul, thief *browser) {
	t.Helper()
	o = newOffice(t, nil, func(c *gateway.Config) {
		rt := &c.Routes[0]
		var err error
		rt.SignOut, err = policy.NewRequests([]string{"/logout.php", "/public/logout.php"}, false)
		must(t, err)
		rt.Policy, err = policy.New([]policy.Rule{{Path: "/public/*", Allow: policy.Allow{Public: true}}, {Path: "/**", Allow: policy.Allow{Members: true}}}, false)
		must(t, err)
	})
	paul = o.arrives("U0PAUL")
	u, err := url.Parse(o.page)
	must(t, err)
	thief = o.browser()
	thief.Jar.SetCookies(u, paul.Jar.Cookies(u))
	o.slack.Fault(slacksim.Fault{Method: "users.info", Kind: slacksim.ServerError})
	o.pass(25 * time.Hour)
	o.wants(paul, o.page, 503, "cannot check your account")
	return o, paul, thief
}

// back lets Slack answer again.
func (o *office) back() {
	o.t.Helper()
	o.slack.ClearFaults()
	o.pass(time.Minute)
}

// TestSignOutWhileKeptOut: a session that does not count at the moment, but may
// count again, ends with the person's sign-out like any other.
func TestSignOutWhileKeptOut(t *testing.T) {
	for name, leave := range map[string]func(o *office, paul *browser) answer{
		"nothing": func(o *office, paul *browser) answer { return answer{Response: &http.Response{StatusCode: 303}} },
		"our button": func(o *office, paul *browser) answer {
			return paul.do("POST", o.routes[0].Origin+"/.gateway/sign-out", nil, "Origin", o.routes[0].Origin)
		},
		"the app's link": func(o *office, paul *browser) answer {
			return paul.get(o.routes[0].Origin+"/logout.php", "Sec-Fetch-Site", "same-origin")
		},
		"the app's public link": func(o *office, paul *browser) answer {
			return paul.get(o.routes[0].Origin+"/public/logout.php", "Sec-Fetch-Site", "same-origin")
		},
	} {
		t.Run(name, func(t *testing.T) {
			o, paul, thief := keptOut(t)
			got := leave(o, paul)
			o.back()
			want := 302
			if name == "nothing" {
				want = 200
			}
			if p, s := paul.get(o.page).StatusCode, thief.get(o.page).StatusCode; p != want || s != want {
				t.Errorf("the sign-out answered %d; afterwards the browser gets %d, a copy of its cookie %d, want %d", got.StatusCode, p, s, want)
			}
		})
	}
}

// TestAdvisoryOldSessionOfWhoSignsInAgain (CVE-2026-34454): whoever signs in has
// one session; the one before ends even if it did not count just then.
func TestAdvisoryOldSessionOfWhoSignsInAgain(t *testing.T) {
	t.Run("by Slack", func(t *testing.T) {
		o, paul, thief := keptOut(t)
		o.slack.ClearFaults()
		paul.signIn(o.routes[0].Origin+"/.gateway/login?to=/page", teams[0], "U0PAUL")
		o.back()
		o.wants(paul, o.page, 200, "")
		o.wants(thief, o.page, 302, "")
	})
	t.Run("by a break-glass link", func(t *testing.T) {
		o, paul, thief := keptOut(t)
		if got := paul.press(o.link(gateway.BreakGlass{})); got.StatusCode != 303 {
			t.Fatalf("the link answered %d", got.StatusCode)
		}
		o.wants(paul, o.page, 200, "")
		o.back()
		o.wants(thief, o.page, 302, "")
	})
}

// TestSignOutDuringMaintenance: the app is not asked, but the session ends.
func TestSignOutDuringMaintenance(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) {
		rt := &c.Routes[0]
		rt.Maintenance = &gateway.Maintenance{On: true}
		var err error
		rt.SignOut, err = policy.NewRequests([]string{"/logout.php"}, false)
		must(t, err)
	})
	b, at := w.browser(), w.routes[0].Origin
	b.signIn(at+"/.gateway/", teams[0], "U0PAUL")
	if got := b.get(at+"/logout.php", "Sec-Fetch-Site", "cross-site"); got.StatusCode != 503 || b.get(at+"/.gateway/me").StatusCode != 200 {
		t.Errorf("a foreign link to the sign-out answered %d", got.StatusCode)
	}
	if got := b.get(at+"/logout.php", "Sec-Fetch-Site", "same-origin"); got.StatusCode != 303 || got.Header.Get("Location") != at+"/.gateway/signed-out" {
		t.Errorf("the sign-out answered %d", got.StatusCode)
	}
	if got := b.get(at + "/.gateway/me"); got.StatusCode != 401 {
		t.Errorf("afterwards /.gateway/me answered %d", got.StatusCode)
	}
}
