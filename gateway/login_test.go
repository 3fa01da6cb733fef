package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

const deepLink = "/dossiers/12?onglet=notes&q=50%&;x"

func TestSignInEndsOnTheDeepLink(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	origin := w.routes[0].Origin

	back := b.signIn(origin+deepLink, teams[0], "U0PAUL")
	if got := back.Header.Get("Location"); back.StatusCode != http.StatusFound || got != origin+deepLink {
		t.Fatalf("callback answered %d %q, want 302 %q", back.StatusCode, got, origin+deepLink)
	}
	page := b.get(back.Header.Get("Location"))
	if page.StatusCode != http.StatusOK || page.text != "app: GET "+deepLink {
		t.Fatalf("the app got %q (%d)", page.text, page.StatusCode)
	}
	seen := w.last()
	for name, want := range map[string]string{
		"X-Forwarded-User": "U0PAUL", "X-Forwarded-Email": "paul@agrafmania.fr", "X-Gateway-Team": teams[0],
		"X-Forwarded-Preferred-Username": "Paul Martin", "X-Forwarded-Host": host + ":" + port(origin), "X-Forwarded-Proto": "http",
	} {
		if got := seen.Header.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if seen.Header.Get("X-Gateway-Assertion") == "" || seen.Header.Get("Cookie") != "" || seen.Host != host+":"+port(origin) {
		t.Errorf("assertion %q, cookie %q, host %q", seen.Header.Get("X-Gateway-Assertion"), seen.Header.Get("Cookie"), seen.Host)
	}
	u, _ := url.Parse(origin)
	if cookies := b.Jar.Cookies(u); len(cookies) != 1 || cookies[0].Name != "gw" || len(cookies[0].Value) > 1000 {
		t.Errorf("cookies left: %v", cookies)
	}
}

func port(origin string) string { u, _ := url.Parse(origin); return u.Port() }

// TestWhoIsNotLetIn: every way in which Slack, or what Slack says, refuses a
// person. None of them leaves a session; each has its own page.
func TestWhoIsNotLetIn(t *testing.T) {
	for name, row := range map[string]struct {
		user    string
		team    string
		prepare func(*testing.T, *world)
		status  int
		words   string
	}{
		"guest":             {"U0GUEST", teams[0], nil, 403, "Guests have no access"},
		"unverified e-mail": {"U0UNV", teams[0], nil, 403, "not confirmed"},
		"other workspace":   {"U0ANNE", teams[1], distribute, 403, "not the right Slack workspace"},
		"deactivated at the token endpoint": {"U0PAUL", teams[0], func(_ *testing.T, w *world) {
			w.slack.Fault(slacksim.Fault{Method: "openid.connect.token", Kind: slacksim.ErrorCode, Error: "account_inactive"})
		}, 403, "deactivated"},
		"deactivated in users.info": {"U0PAUL", teams[0], func(_ *testing.T, w *world) {
			w.slack.Fault(slacksim.Fault{Method: "users.info", Kind: slacksim.Custom, Answer: func(rw http.ResponseWriter, _ *http.Request) {
				fmt.Fprintf(rw, `{"ok":true,"user":{"id":"U0PAUL","team_id":%q,"deleted":true}}`, teams[0])
			}})
		}, 403, "deactivated"},
		"users.info of another workspace": {"U0PAUL", teams[0], func(_ *testing.T, w *world) {
			w.slack.Fault(slacksim.Fault{Method: "users.info", Kind: slacksim.Custom, Answer: func(rw http.ResponseWriter, _ *http.Request) {
				fmt.Fprint(rw, `{"ok":true,"user":{"id":"U0PAUL","team_id":"T0OTHER"}}`)
			}})
		}, 403, "not the right Slack workspace"},
		"users.info says ok false and nothing else": {"U0PAUL", teams[0], func(_ *testing.T, w *world) {
			w.slack.Fault(slacksim.Fault{Method: "users.info", Kind: slacksim.Custom, Answer: func(rw http.ResponseWriter, _ *http.Request) {
				fmt.Fprint(rw, `{"ok":false}`)
			}})
		}, 502, "could not be used"},
		"bot token revoked":  {"U0PAUL", teams[0], func(t *testing.T, w *world) { must(t, w.slack.RevokeToken("xoxb-secret-0")) }, 502, "not set up right"},
		"users.info is down": {"U0PAUL", teams[0], fault("users.info", slacksim.ServerError), 503, "Slack cannot be reached"},
		"token endpoint says invalid_client": {"U0PAUL", teams[0], func(t *testing.T, w *world) {
			w.slack.Fault(slacksim.Fault{Method: "openid.connect.token", Kind: slacksim.ErrorCode, Error: "bad_client_secret"})
		}, 502, "not set up right"},
		"token endpoint is down":     {"U0PAUL", teams[0], fault("openid.connect.token", slacksim.ServerError), 503, "Slack cannot be reached"},
		"token answer is cut off":    {"U0PAUL", teams[0], fault("openid.connect.token", slacksim.Truncated), 502, "could not be used"},
		"token endpoint rate limits": {"U0PAUL", teams[0], fault("openid.connect.token", slacksim.RateLimited), 503, "Many people are signing in"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if row.prepare != nil {
				row.prepare(t, w)
			}
			b := w.browser()
			got := b.signIn(w.routes[0].Origin+deepLink, row.team, row.user)
			if got.StatusCode != row.status || !strings.Contains(got.text, row.words) {
				t.Errorf("answered %d %s, want %d with %q", got.StatusCode, title(got.text), row.status, row.words)
			}
			if row.status == 503 && got.Header.Get("Retry-After") == "" {
				t.Error("503 without Retry-After")
			}
			if again := b.get(w.routes[0].Origin + "/"); again.StatusCode != http.StatusFound {
				t.Errorf("afterwards / answered %d: somebody is signed in", again.StatusCode)
			}
			if w.last() != nil {
				t.Error("a request reached the app")
			}
			for _, word := range []string{"xoxb-", "xoxp-", "client-secret"} {
				if strings.Contains(w.log.String(), word) || strings.Contains(got.text, word) {
					t.Errorf("%q stands in the log or on the page", word)
				}
			}
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func distribute(t *testing.T, w *world) {
	must(t, w.slack.UpdateApp("A0", func(a *slacksim.App) { a.Distributed = true }))
}

func fault(method string, kind slacksim.FaultKind) func(*testing.T, *world) {
	return func(_ *testing.T, w *world) { w.slack.Fault(slacksim.Fault{Method: method, Kind: kind}) }
}

func title(page string) string {
	_, rest, _ := strings.Cut(page, "<title>")
	t, _, _ := strings.Cut(rest, "</title>")
	return t
}

// TestAdvisoryCallbackWithoutItsCookie (CVE-2017-1000069 and kin): a callback
// address is worth nothing in another browser, a second time, with another
// state, or on another route, and never leads to a loop.
func TestAdvisoryCallbackWithoutItsCookie(t *testing.T) {
	w := newWorld(t)
	origin := w.routes[0].Origin
	begin := func() (*browser, string) {
		b := w.browser()
		first := b.get(origin + "/")
		return b, b.pick(first.Header.Get("Location"), teams[0], "U0PAUL").Header.Get("Location")
	}
	alter := func(address string, set ...string) string {
		u, _ := url.Parse(address)
		q := u.Query()
		for i := 0; i < len(set); i += 2 {
			q.Set(set[i], set[i+1])
		}
		u.RawQuery = q.Encode()
		return u.String()
	}

	t.Run("baseline", func(t *testing.T) {
		b, callback := begin()
		if got := b.get(callback); got.StatusCode != http.StatusFound {
			t.Fatalf("an honest callback answered %d", got.StatusCode)
		}
	})
	t.Run("another browser", func(t *testing.T) { // which is asked to sign in itself
		_, callback := begin()
		thief := w.browser()
		got := thief.get(callback)
		if got.StatusCode != http.StatusFound || !strings.HasPrefix(got.Header.Get("Location"), w.slack.URL()) {
			t.Errorf("answered %d to %q, want a sign-in of its own", got.StatusCode, got.Header.Get("Location"))
		}
		if me := thief.get(origin + "/.gateway/me"); me.StatusCode != 401 {
			t.Errorf("a session was given: %s", me.text)
		}
	})
	for name, visit := range map[string]func(t *testing.T) answer{
		"no state":     func(*testing.T) answer { b, callback := begin(); return b.get(alter(callback, "state", "")) },
		"forged state": func(*testing.T) answer { b, callback := begin(); return b.get(alter(callback, "state", "AAAA")) },
		"bit flipped": func(*testing.T) answer {
			b, callback := begin()
			u, _ := url.Parse(callback)
			s := []byte(u.Query().Get("state"))
			s[len(s)/2] ^= 1
			return b.get(alter(callback, "state", string(s)))
		},
		"another route": func(*testing.T) answer {
			b, callback := begin()
			return b.get(strings.Replace(callback, host, other, 1))
		},
		"no code": func(*testing.T) answer { b, callback := begin(); return b.get(alter(callback, "code", "")) },
		"replayed with its cookie": func(t *testing.T) answer {
			b, callback := begin()
			u, _ := url.Parse(callback)
			kept := b.Jar.Cookies(u)
			b.get(callback)
			thief := w.browser()
			for _, c := range kept {
				c.Path = "/"
			}
			thief.Jar.SetCookies(u, kept)
			return thief.get(callback)
		},
		"session cookie as state": func(t *testing.T) answer {
			b, callback := begin()
			b.get(callback)
			u, _ := url.Parse(origin)
			b2, callback2 := begin()
			return b2.get(alter(callback2, "state", b.Jar.Cookies(u)[0].Value))
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := visit(t)
			if got.StatusCode != http.StatusBadRequest || got.Header.Get("Location") != "" {
				t.Errorf("answered %d to %q, want 400", got.StatusCode, got.Header.Get("Location"))
			}
			if !strings.Contains(got.text, `id="next"`) {
				t.Error("the page has no way to start again")
			}
			for _, c := range got.Cookies() {
				if c.Name == "gw" && c.MaxAge >= 0 {
					t.Error("a session was given")
				}
			}
		})
	}
}

func TestCancelledAtSlack(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	first := b.get(w.routes[0].Origin + deepLink)
	back := b.submit(first.Header.Get("Location"), url.Values{"cancel": {"1"}})
	got := b.get(back.Header.Get("Location"), "Accept-Language", "fr-FR,fr;q=0.9")
	if got.StatusCode != 403 || !strings.Contains(got.text, "La connexion a été annulée") || !strings.Contains(got.text, `lang="fr"`) {
		t.Errorf("answered %d %s", got.StatusCode, title(got.text))
	}
}

func TestSlackDownAtLogin(t *testing.T) {
	w := newWorld(t)
	w.slack.Close()
	got := w.browser().get(w.routes[0].Origin + "/")
	if got.StatusCode != 503 || got.Header.Get("Retry-After") == "" {
		t.Errorf("answered %d, Retry-After %q; want 503", got.StatusCode, got.Header.Get("Retry-After"))
	}
}

// TestSlackHangsAtLogin: people who come while Slack does not answer wait for
// one time-out together, not one after the other.
func TestSlackHangsAtLogin(t *testing.T) {
	var asked atomic.Int32
	arrived, release := make(chan struct{}, 10), make(chan struct{})
	slack := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked.Add(1)
		arrived <- struct{}{}
		<-release
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(slack.Close)
	w := newWorld(t, func(c *gateway.Config) { c.Slack.Issuer = slack.URL })
	const people = 5
	statuses := make(chan int, people)
	for range people {
		b := w.browser()
		go func() { statuses <- b.get(w.routes[0].Origin + "/").StatusCode }()
	}
	<-arrived
	w.lose(10 * time.Second) // as long as a time-out
	close(release)
	for range people {
		if got := <-statuses; got != 503 {
			t.Errorf("answered %d, want 503", got)
		}
	}
	if got := asked.Load(); got != 1 {
		t.Errorf("Slack was asked %d times, want once for all", got)
	}
}

// TestIDTokens: what a broken or hostile provider may send instead of a token
// that is meant for this sign-in.
func TestIDTokens(t *testing.T) {
	for name, forge := range map[string]func(jwt.MapClaims){
		"wrong issuer":   func(c jwt.MapClaims) { c["iss"] = "https://evil.example" },
		"wrong audience": func(c jwt.MapClaims) { c["aud"] = "client-1" },
		"wrong nonce":    func(c jwt.MapClaims) { c["nonce"] = "x" },
		"no nonce":       func(c jwt.MapClaims) { delete(c, "nonce") },
		"expired":        func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Minute).Unix() },
		"wrong at_hash":  func(c jwt.MapClaims) { c["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA" },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.slack.Fault(slacksim.Fault{Method: "openid.connect.token", Kind: slacksim.Forged, Forge: func(c jwt.MapClaims) string { forge(c); return "" }})
			got := w.browser().signIn(w.routes[0].Origin+"/", teams[0], "U0PAUL")
			if got.StatusCode != 502 {
				t.Errorf("answered %d %s, want 502", got.StatusCode, title(got.text))
			}
		})
	}
}

func TestMe(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	if got := b.get(w.routes[0].Origin+"/.gateway/me", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"); got.StatusCode != 401 {
		t.Errorf("nobody: %d, want 401", got.StatusCode)
	}
	b.signIn(w.routes[0].Origin+"/", teams[0], "U0MARIE")
	got := b.get(w.routes[0].Origin + "/.gateway/me")
	var me struct {
		User  string `json:"user_id"`
		Email string
		Admin bool
	}
	if err := json.Unmarshal([]byte(got.text), &me); err != nil || me.User != "U0MARIE" || me.Email != "marie@agrafmania.fr" || !me.Admin {
		t.Errorf("me = %s (%v)", got.text, err)
	}
}

// TestLoginOnlyRoute: without a bot token nobody is asked about guests.
func TestLoginOnlyRoute(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) {
		c.Routes[0].SlackApp.BotToken = ""
		c.Routes[0].Login = &gateway.Login{Guests: "allow", Callback: "/slack/callback.php"}
	})
	must(t, w.slack.UpdateApp("A0", func(a *slacksim.App) { a.RedirectURLs = []string{w.routes[0].Origin + "/slack/callback.php"} }))
	b := w.browser()
	got := b.signIn(w.routes[0].Origin+deepLink, teams[0], "U0GUEST")
	if got.StatusCode != http.StatusFound || got.Header.Get("Location") != w.routes[0].Origin+deepLink {
		t.Fatalf("answered %d %s", got.StatusCode, title(got.text))
	}
	if got := b.get(w.routes[0].Origin + "/.gateway/callback?x"); got.StatusCode != 404 {
		t.Errorf("the default callback answers %d beside the configured one", got.StatusCode)
	}
}

// TestAdvisoryStateSpelledAnew: a state has one spelling. With more of them, what
// came back already could come back again.
func TestAdvisoryStateSpelledAnew(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	first := b.get(w.routes[0].Origin + "/")
	slack, _ := url.Parse(first.Header.Get("Location"))
	state := slack.Query().Get("state")
	for _, s := range []string{state[:9] + "\n" + state[9:], state + "\r\n", state + "=", state + "\r"} {
		got := b.get(w.routes[0].Origin + "/.gateway/callback?error=access_denied&state=" + url.QueryEscape(s))
		if got.StatusCode != 400 {
			t.Errorf("%q answered %d", s, got.StatusCode)
		}
	}
}
