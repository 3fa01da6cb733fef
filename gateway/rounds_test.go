package gateway_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
)

// forgetful is a cookie jar that loses some cookies, as a browser does whose
// owner blocks them.
type forgetful struct {
	http.CookieJar
	loses func(name string) bool
}

// SetCookies keeps the others.
func (j forgetful) SetCookies(u *url.URL, cookies []*http.Cookie) {
	var kept []*http.Cookie
	for _, c := range cookies {
		if !j.loses(c.Name) {
			kept = append(kept, c)
		}
	}
	j.CookieJar.SetCookies(u, kept)
}

// forgetting makes a browser lose our cookies of these names.
func (b *browser) forgetting(loses func(name string) bool) *browser {
	b.Jar = forgetful{b.Jar, func(name string) bool { return strings.HasPrefix(name, "gw") && loses(name) }}
	return b
}

// follow goes where redirects lead, and counts how often that was Slack.
func (b *browser) follow(address string) (end answer, rounds int) {
	b.w.t.Helper()
	for range 40 {
		if strings.HasPrefix(address, b.w.slack.URL()) {
			rounds++
		}
		end = b.get(address)
		if address = end.Header.Get("Location"); address == "" {
			return end, rounds
		}
	}
	b.w.t.Fatalf("redirected for ever, %d times to Slack", rounds)
	return
}

var nextStep = regexp.MustCompile(`<a class="([^"]*)" id="next" href="([^"]*)">`)

// next is where a page's link leads, and whether the page advises it.
func (a answer) next() (address string, advised bool) {
	found := nextStep.FindStringSubmatch(a.text)
	if found == nil {
		return "", false
	}
	return strings.ReplaceAll(found[2], "&amp;", "&"), found[1] == "button"
}

const thirdTry = "This was the third try in a row"

// checkLast looks at the page after the last round.
func checkLast(t *testing.T, w *world, got answer, status int) {
	t.Helper()
	id := got.Header.Get("X-Request-Id")
	if got.StatusCode != status || !strings.Contains(got.text, thirdTry) || !strings.Contains(got.text, "<code>"+id+"</code>") || !strings.Contains(got.text, "Workspace "+teams[0]) {
		t.Errorf("the last round ends with %d: %s", got.StatusCode, got.text)
	}
	if to, advised := got.next(); advised || to != w.routes[0].Origin+"/.gateway/login?to="+url.QueryEscape(deepLink) {
		t.Errorf("the last page leads to %q, advised %t", to, advised)
	}
}

// TestNoLoopWithoutCookies: Slack says yes by itself, but the browser does not
// keep what it must. It is stopped by a page, and soon.
func TestNoLoopWithoutCookies(t *testing.T) {
	const session, tab, all = `^gw$`, `^gw-tab-`, ``
	for name, row := range map[string]struct {
		loses  string
		rounds int // before the first page
		clicks int // until the last one
	}{
		"no cookie at all":      {all, 2, 1},
		"no session cookie":     {session, 3, 0},
		"no cookie of the tabs": {tab, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.slack.SignInAs(teams[0], "U0PAUL")
			b := w.browser().forgetting(regexp.MustCompile(row.loses).MatchString)
			got, rounds := b.follow(w.routes[0].Origin + deepLink)
			if rounds != row.rounds || title(got.text) != "Your browser did not keep the sign-in" {
				t.Fatalf("stopped after %d rounds by %s, want %d", rounds, title(got.text), row.rounds)
			}
			for range row.clicks {
				to, advised := got.next()
				if !advised || strings.Contains(got.text, thirdTry) {
					t.Fatalf("the page advises nothing: %s", got.text)
				}
				got, _ = b.follow(to)
			}
			checkLast(t, w, got, 400)
			if w.last() != nil {
				t.Error("a request reached the app")
			}
		})
	}
}

// TestRefusedRoundsStop: whoever is refused may try again, with a click, and is
// told after the third time that it will hardly help. Whatever the reasons
// were, they count together; after a while they are forgotten.
func TestRefusedRoundsStop(t *testing.T) {
	cancelled := url.Values{"cancel": {"1"}}
	foreign, guest := url.Values{"person": {teams[1] + ":U0ANNE"}}, url.Values{"person": {teams[0] + ":U0GUEST"}}
	for name, choices := range map[string][3]url.Values{
		"wrong workspace": {foreign, foreign, foreign}, "cancelled": {cancelled, cancelled, cancelled},
		"guest": {guest, guest, guest}, "one of each": {cancelled, foreign, guest},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			distribute(t, w)
			b := w.browser()
			var got answer
			begin := w.routes[0].Origin + deepLink
			for i, choice := range choices {
				back := b.submit(b.get(begin).Header.Get("Location"), choice)
				got = b.get(back.Header.Get("Location"))
				if i == 2 {
					break
				}
				var advised bool
				if begin, advised = got.next(); !advised || got.StatusCode != 403 || strings.Contains(got.text, thirdTry) {
					t.Fatalf("round %d ends with %d: %s", i+1, got.StatusCode, got.text)
				}
			}
			checkLast(t, w, got, 403)
			// Who begins again all the same may be let in.
			to, _ := got.next()
			if last := b.signIn(to, teams[0], "U0PAUL"); last.Header.Get("Location") != w.routes[0].Origin+deepLink {
				t.Errorf("after the last page: %d %s", last.StatusCode, title(last.text))
			}
		})
	}
	t.Run("forgotten after a while", func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		begin := w.routes[0].Origin + deepLink
		for range 4 {
			back := b.submit(b.get(begin).Header.Get("Location"), cancelled)
			got := b.get(back.Header.Get("Location"))
			if strings.Contains(got.text, thirdTry) {
				t.Fatal("what was refused long ago still counts")
			}
			begin, _ = got.next()
			w.advance(16 * time.Minute)
		}
	})
}

// TestSwitchWorkspace: the page for people of another workspace leads to Slack
// with the right one, and on to the page they wanted.
func TestSwitchWorkspace(t *testing.T) {
	w := newWorld(t)
	distribute(t, w)
	b := w.browser()
	got := b.signIn(w.routes[0].Origin+deepLink, teams[1], "U0ANNE")
	if !strings.Contains(got.text, "choose Workspace "+teams[0]+" in the menu at the top right") {
		t.Errorf("the page does not say how to switch: %s", got.text)
	}
	to, advised := got.next()
	slack := b.get(to).Header.Get("Location")
	if u, err := url.Parse(slack); err != nil || !advised || u.Query().Get("team") != teams[0] {
		t.Fatalf("the page leads to %q", slack)
	}
	back := b.pick(slack, teams[0], "U0PAUL")
	if last := b.land(b.get(back.Header.Get("Location"))); last.Header.Get("Location") != w.routes[0].Origin+deepLink {
		t.Errorf("ended on %d %q", last.StatusCode, last.Header.Get("Location"))
	}
}

// TestTabThatCameTooLate: a genuine state whose cookie is gone, or that is too
// old, starts again by itself and ends on its own page.
func TestTabThatCameTooLate(t *testing.T) {
	for name, lose := range map[string]func(*world, *browser){
		"cookie gone": func(w *world, b *browser) { b.Jar = w.browser().Jar },
		"too old":     func(w *world, _ *browser) { w.advance(16 * time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b := w.browser()
			back := b.pick(b.get(w.routes[0].Origin+deepLink).Header.Get("Location"), teams[0], "U0PAUL")
			lose(w, b)
			again := b.get(back.Header.Get("Location"))
			if !strings.HasPrefix(again.Header.Get("Location"), w.slack.URL()) {
				t.Fatalf("answered %d to %q", again.StatusCode, again.Header.Get("Location"))
			}
			back = b.pick(again.Header.Get("Location"), teams[0], "U0PAUL")
			if last := b.land(b.get(back.Header.Get("Location"))); last.Header.Get("Location") != w.routes[0].Origin+deepLink {
				t.Errorf("ended on %d %q: %s", last.StatusCode, last.Header.Get("Location"), title(last.text))
			}
		})
	}
}

// TestSignedInIsSentOn: with a session no address leads to Slack, and what was
// left of sign-ins under way goes.
func TestSignedInIsSentOn(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	origin := w.routes[0].Origin
	tab := b.get(origin + deepLink).Header.Get("Location")
	u, _ := url.Parse(origin)
	left := b.Jar.Cookies(u)
	b.signIn(origin+"/", teams[0], "U0PAUL")
	slack, _ := url.Parse(tab)
	state := slack.Query().Get("state")
	callback := origin + "/.gateway/callback?state=" + state
	for name, address := range map[string]string{
		"login?to": origin + "/.gateway/login?to=" + url.QueryEscape(deepLink), "login?again": origin + "/.gateway/login?again=" + state,
		"a code": callback + "&code=x", "cancelled": callback + "&error=access_denied", "nothing": callback,
	} {
		for _, c := range left {
			c.Path = "/"
		}
		b.Jar.SetCookies(u, left)
		got := b.get(address)
		if got.StatusCode != 302 || got.Header.Get("Location") != origin+deepLink {
			t.Errorf("%s: answered %d to %q", name, got.StatusCode, got.Header.Get("Location"))
		}
		if now := b.Jar.Cookies(u); len(now) != 1 || now[0].Name != "gw" {
			t.Errorf("%s: cookies left: %v", name, now)
		}
	}
	if got := b.get(origin + "/.gateway/login?again=" + state + "x&to=/y"); got.Header.Get("Location") != origin+"/y" {
		t.Errorf("a forged state was answered %q", got.Header.Get("Location"))
	}
}

// TestTabsAtOnce: tabs that are opened at once know nothing of each other's
// cookies. One sign-in is enough for all, whichever tab comes first, and the
// cookies stay few and small.
func TestTabsAtOnce(t *testing.T) {
	for _, tabs := range []int{20, 60} {
		for _, first := range []int{0, tabs - 1} {
			t.Run(fmt.Sprintf("%d tabs, number %d first", tabs, first), func(t *testing.T) { openTabs(t, tabs, first) })
		}
	}
}

func openTabs(t *testing.T, tabs, first int) {
	w := newWorld(t)
	b := w.browser()
	origin := w.routes[0].Origin
	u, _ := url.Parse(origin)
	page := func(i int) string { return fmt.Sprintf("%s/dossiers/%d?onglet=notes", origin, i) }
	slack := make([]string, tabs)
	for i := range tabs { // none of these requests carries a cookie
		got := w.browser().get(page(i))
		slack[i] = got.Header.Get("Location")
		for _, c := range got.Cookies() {
			b.Jar.SetCookies(u, []*http.Cookie{c})
		}
		checkCookies(t, b.Jar.Cookies(u))
	}
	land := func(i int) (asked int) {
		t.Helper()
		for address := slack[i]; ; {
			asked++
			got := b.land(b.get(b.pick(address, teams[0], "U0PAUL").Header.Get("Location")))
			checkCookies(t, b.Jar.Cookies(u))
			if address = got.Header.Get("Location"); address == page(i) {
				return asked
			}
			if !strings.HasPrefix(address, w.slack.URL()) {
				t.Fatalf("tab %d ended on %d %q: %s", i, got.StatusCode, address, title(got.text))
			}
		}
	}
	if asked := land(first); asked > 1 && tabs <= gateway.PendingSlots || asked > 2 {
		t.Errorf("the first tab asked Slack %d times", asked)
	}
	for i := range tabs {
		if i == first {
			continue
		}
		if asked := land(i); asked != 1 {
			t.Errorf("tab %d asked Slack %d times, although somebody is signed in", i, asked)
		}
	}
	if left := b.Jar.Cookies(u); len(left) != 1 || left[0].Name != "gw" {
		t.Errorf("cookies left: %v", left)
	}
	var sessions int
	must(t, w.store.Read().QueryRow(`SELECT COUNT(*) FROM session`).Scan(&sessions))
	if sessions != 1 {
		t.Errorf("%d sessions for one person in one browser", sessions)
	}
}

// checkCookies bounds what a browser has to send of ours with each request,
// with the longer names of https.
func checkCookies(t *testing.T, cookies []*http.Cookie) {
	t.Helper()
	size := 0
	for _, c := range cookies {
		size += len("__Host-") + len(c.Name) + len("=") + len(c.Value) + len("; ")
	}
	if size > 4<<10 || len(cookies) > gateway.PendingSlots+1 {
		t.Errorf("%d cookies of %d bytes", len(cookies), size)
	}
}

// TestTabsOneAfterTheOther: a browser that waits at Slack in one tab gets no
// second cookie for the next.
func TestTabsOneAfterTheOther(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	u, _ := url.Parse(w.routes[0].Origin)
	for _, rubbish := range []string{"gw-tab-99", "gw-tab-", "gw-tab--1", "gw-tab-x", "gw-other"} {
		b.Jar.SetCookies(u, []*http.Cookie{{Name: rubbish, Value: "AAAAAAAAAAAAAAAA", Path: "/"}})
	}
	b.Jar.SetCookies(u, []*http.Cookie{{Name: "gw-tab-31", Value: "short", Path: "/"}})
	var last string
	for i := range 30 {
		last = b.get(fmt.Sprintf("%s/%d", w.routes[0].Origin, i)).Header.Get("Location")
	}
	if got := len(b.Jar.Cookies(u)); got != 7 {
		t.Errorf("%d cookies, want one beside the rubbish: %v", got, b.Jar.Cookies(u))
	}
	if got := b.land(b.get(b.pick(last, teams[0], "U0PAUL").Header.Get("Location"))); got.Header.Get("Location") != w.routes[0].Origin+"/29" {
		t.Errorf("ended on %d %q", got.StatusCode, got.Header.Get("Location"))
	}
}
