package gateway_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/policy"
	"github.com/cocoom/cocoom-gateway/proxy"
)

// leavingApp signs out as old apps do; asked counts how often.
type leavingApp struct {
	*httptest.Server
	asked atomic.Int32
	slow  func() // what the answer "slow" waits for in its middle
}

func (a *leavingApp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.Contains(r.URL.Path, "logout") && r.URL.Query().Get("action") != "logout" {
		http.SetCookie(w, &http.Cookie{Name: "PHPSESSID", Value: "s1", Path: "/"})
		return
	}
	a.asked.Add(1)
	w.Header().Add("Set-Cookie", "PHPSESSID=deleted; Max-Age=0; path=/")
	switch r.URL.Query().Get("answer") {
	case "page":
		w.Write([]byte("bye"))
	case "refresh":
		w.Header().Set("Refresh", "3;url=/login.php")
		w.Write([]byte("bye"))
	case "307":
		http.Redirect(w, r, "/login.php", http.StatusTemporaryRedirect)
	case "304":
		w.WriteHeader(http.StatusNotModified)
	case "slow":
		w.Write([]byte("good"))
		http.NewResponseController(w).Flush()
		a.slow()
		w.Write([]byte("bye"))
	case "crash":
		panic(http.ErrAbortHandler)
	default:
		http.Redirect(w, r, "/login.php", http.StatusFound)
	}
}

// newLeavingWorld has an app with a session and sign-out links of its own.
func newLeavingWorld(t *testing.T) (*world, *leavingApp) {
	t.Helper()
	app := &leavingApp{}
	app.Server = httptest.NewServer(app)
	t.Cleanup(app.Close)
	keys := new(proxy.CookieKeys)
	if err := keys.Set([]proxy.CookieKey{{ID: "c1", Value: make([]byte, 32)}}); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(c *gateway.Config) {
		rt, signing := &c.Routes[0], proxy.NewKeys()
		der, err := proxy.GenerateKey("ES256")
		if err != nil {
			t.Fatal(err)
		}
		key, err := proxy.ParseKey("k1", "ES256", der)
		if err != nil {
			t.Fatal(err)
		}
		if err := signing.Set("ES256", []proxy.Key{key}); err != nil {
			t.Fatal(err)
		}
		rt.Login = &gateway.Login{AppCookies: []string{"PHPSESSID"}}
		if rt.Upstream, err = proxy.New(proxy.Config{Origin: rt.Origin, Host: rt.Host, Upstream: proxy.Upstream{URL: app.URL}, Keys: signing,
			AppCookies: rt.Login.AppCookies, CookieKeys: keys, Error: gateway.WriteError}); err != nil {
			t.Fatal(err)
		}
		if rt.SignOut, err = policy.NewRequests([]string{"/logout.php", "/index.php?action=logout", "/public/logout.php", "/admin/logout.php"}, false); err != nil {
			t.Fatal(err)
		}
	})
	return w, app
}

// TestSlowGoodbye: the app may take its time to say that somebody has signed
// out, although the session is over by then.
func TestSlowGoodbye(t *testing.T) {
	w, app := newLeavingWorld(t)
	b, origin := w.browser(), w.routes[0].Origin
	b.signIn(origin+"/", teams[0], "U0PAUL")
	goOn := make(chan bool)
	app.slow = func() { <-goOn }
	req, err := http.NewRequest("GET", origin+"/logout.php?answer=slow", nil)
	must(t, err)
	resp, err := b.Do(req)
	must(t, err)
	defer resp.Body.Close()
	_, err = io.ReadFull(resp.Body, make([]byte, len("good")))
	must(t, err)
	w.lose(time.Minute)
	w.gateway.EndStreams()
	close(goOn)
	if rest, err := io.ReadAll(resp.Body); string(rest) != "bye" || err != nil {
		t.Errorf("the app's answer goes on with %q, %v", rest, err)
	}
}

// TestAppSignOut: which requests for the app's own sign-out end our session,
// and what they are answered.
func TestAppSignOut(t *testing.T) {
	w, app := newLeavingWorld(t)
	rt := w.routes[0]
	signedOut := rt.Origin + "/.gateway/signed-out"
	for name, row := range map[string]struct {
		method, path string
		header       []string // beside those of a page that is opened
		ended        bool
		status       int
		location     string
	}{
		"the link":                    {"GET", "/logout.php", []string{"Sec-Fetch-Site", "same-origin"}, true, 303, signedOut},
		"typed":                       {"GET", "/logout.php", []string{"Sec-Fetch-Site", "none"}, true, 303, signedOut},
		"another spelling":            {"GET", "//log%6Fut.php/", []string{"Sec-Fetch-Site", "none"}, true, 303, signedOut},
		"by its query":                {"GET", "/index.php?x=1&action=logout", []string{"Sec-Fetch-Site", "none"}, true, 303, signedOut},
		"a form":                      {"POST", "/logout.php", []string{"Sec-Fetch-Site", "same-origin"}, true, 303, signedOut},
		"a form sent on":              {"POST", "/logout.php?answer=307", []string{"Sec-Fetch-Site", "same-origin"}, true, 303, signedOut},
		"a fetch":                     {"GET", "/logout.php?answer=page", []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}, true, 200, ""},
		"a page":                      {"GET", "/logout.php?answer=page", []string{"Sec-Fetch-Site", "same-origin"}, true, 200, ""},
		"a page that leads on":        {"GET", "/logout.php?answer=refresh", []string{"Sec-Fetch-Site", "same-origin"}, true, 200, "3; url=" + signedOut},
		"no redirect":                 {"GET", "/logout.php?answer=304", []string{"Sec-Fetch-Site", "same-origin"}, true, 304, ""},
		"an app that crashes":         {"GET", "/logout.php?answer=crash", []string{"Sec-Fetch-Site", "same-origin"}, true, 502, ""},
		"an old browser":              {"GET", "/logout.php", []string{"Sec-Fetch-Site", "", "Referer", rt.Origin + "/index.php"}, true, 303, signedOut},
		"an old browser's form":       {"POST", "/logout.php", []string{"Sec-Fetch-Site", "", "Origin", rt.Origin}, true, 303, signedOut},
		"an old browser that is mute": {"GET", "/logout.php", []string{"Sec-Fetch-Site", ""}, true, 303, signedOut},

		"an image on a foreign page":   {"GET", "/logout.php", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, false, 403, ""},
		"an image on a sister's page":  {"GET", "/logout.php", []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, false, 403, ""},
		"a link on a foreign page":     {"GET", "/logout.php", []string{"Sec-Fetch-Site", "cross-site"}, false, 302, "/login.php"},
		"a sister's form":              {"POST", "/logout.php", []string{"Sec-Fetch-Site", "same-site", "Origin", "http://" + other}, false, 403, ""},
		"a prefetch":                   {"GET", "/logout.php", []string{"Sec-Fetch-Site", "same-origin", "Sec-Purpose", "prefetch;prerender"}, false, 302, "/login.php"},
		"an old browser's foreign one": {"GET", "/logout.php", []string{"Sec-Fetch-Site", "", "Referer", rt.Origin + ".evil.example/"}, false, 302, "/login.php"},
		"an old browser's sandbox":     {"POST", "/logout.php", []string{"Sec-Fetch-Site", "", "Origin", "null"}, false, 403, ""},
		"another page":                 {"GET", "/logout.phps", []string{"Sec-Fetch-Site", "same-origin"}, false, 302, "/login.php"},
		"what may not be opened":       {"GET", "/admin/logout.php", []string{"Sec-Fetch-Site", "same-origin"}, false, 403, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := w.browser()
			b.signIn(rt.Origin+"/", teams[0], "U0PAUL")
			b.get(rt.Origin + "/")
			u, _ := url.Parse(rt.Origin)
			copied := b.Jar.Cookies(u) // what a thief has
			if len(copied) != 2 {
				t.Fatalf("the browser holds %v", copied)
			}
			before := app.asked.Load()
			got := b.do(row.method, rt.Origin+row.path, nil, row.header...)
			to := got.Header.Get("Location") + got.Header.Get("Refresh")
			if got.StatusCode != row.status || to != row.location {
				t.Errorf("answered %d, leading to %q, want %d, %q", got.StatusCode, to, row.status, row.location)
			}
			if row.status == http.StatusBadGateway && !strings.Contains(got.text, "The application does not answer") {
				t.Errorf("the page says %s", got.text)
			}
			if reached := app.asked.Load() > before; reached != (row.status != 403) {
				t.Errorf("the app was asked: %v", reached)
			}
			if ended := len(b.Jar.Cookies(u)) == 0; row.ended && (!ended || got.Header.Get("Clear-Site-Data") != `"cache", "storage"`) {
				t.Errorf("the browser still holds %v, and is told %v", b.Jar.Cookies(u), got.Header)
			}
			thief := w.browser()
			thief.Jar.SetCookies(u, copied)
			want := http.StatusOK
			if row.ended {
				want = http.StatusUnauthorized
			}
			if got := thief.get(rt.Origin + "/.gateway/me").StatusCode; got != want {
				t.Errorf("with the old cookie /.gateway/me answers %d, want %d", got, want)
			}
		})
	}
}

// TestAppSignOutWithoutSession: whose session is over is not sent to Slack, and
// what is public is the app's own affair.
func TestAppSignOutWithoutSession(t *testing.T) {
	w, app := newLeavingWorld(t)
	rt := w.routes[0]
	b := w.browser()
	got := b.get(rt.Origin+"/logout.php", "Sec-Fetch-Site", "same-origin", "Cookie", "PHPSESSID=old")
	if got.StatusCode != http.StatusSeeOther || got.Header.Get("Location") != rt.Origin+"/.gateway/signed-out" || app.asked.Load() != 0 {
		t.Errorf("answered %d %s, the app was asked %d times", got.StatusCode, got.Header.Get("Location"), app.asked.Load())
	}
	if cookies := strings.Join(got.Header["Set-Cookie"], "\n"); !strings.Contains(cookies, "PHPSESSID=; Path=/; Max-Age=0") || !strings.Contains(cookies, "PHPSESSID~nobody=; Path=/; Max-Age=0") {
		t.Errorf("the app's cookie stays: %s", cookies)
	}
	if got := b.get(rt.Origin+"/logout.php", "Sec-Fetch-Site", "cross-site"); !strings.HasPrefix(got.Header.Get("Location"), w.slack.URL()) {
		t.Errorf("a foreign link leads to %s", got.Header.Get("Location"))
	}
	if got := b.get(rt.Origin+"/public/logout.php", "Sec-Fetch-Site", "same-origin"); got.Header.Get("Location") != "/login.php" || app.asked.Load() != 1 {
		t.Errorf("a public one leads to %s", got.Header.Get("Location"))
	}
}

// TestAppSignOutByBeacon: the session ends also when nobody waits for it.
func TestAppSignOutByBeacon(t *testing.T) {
	w, _ := newLeavingWorld(t)
	rt := w.routes[0]
	b := w.browser()
	b.signIn(rt.Origin+"/", teams[0], "U0PAUL")
	u, _ := url.Parse(rt.Origin)
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	r := httptest.NewRequest("POST", "/logout.php", nil).WithContext(gone)
	r.Host = u.Host
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.AddCookie(b.Jar.Cookies(u)[0])
	w.gateway.ServeHTTP(httptest.NewRecorder(), r)
	if got := b.get(rt.Origin + "/.gateway/me").StatusCode; got != http.StatusUnauthorized {
		t.Errorf("afterwards /.gateway/me answers %d", got)
	}
}

// TestSignOutButtonEndsTheAppsSession: ours takes the app's cookies along.
func TestSignOutButtonEndsTheAppsSession(t *testing.T) {
	w, _ := newLeavingWorld(t)
	rt := w.routes[0]
	b := w.browser()
	b.signIn(rt.Origin+"/", teams[0], "U0PAUL")
	b.get(rt.Origin + "/")
	b.do("POST", rt.Origin+"/.gateway/sign-out", nil, "Origin", rt.Origin)
	u, _ := url.Parse(rt.Origin)
	if left := b.Jar.Cookies(u); len(left) != 0 {
		t.Errorf("the browser still holds %v", left)
	}
}
