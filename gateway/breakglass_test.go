package gateway_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

func (w *world) link(b gateway.BreakGlass) string {
	w.t.Helper()
	if b.Host == "" {
		b.Host = host
	}
	if b.Email == "" {
		b.Email = "marie@agrafmania.fr"
	}
	if b.For == 0 {
		b.For = 30 * time.Minute
	}
	link, err := w.gateway.MakeBreakGlass(context.Background(), b)
	if err != nil {
		w.t.Fatal(err)
	}
	return link.URL.Reveal()
}

// press is what the page's button does.
func (b *browser) press(link string) answer {
	b.w.t.Helper()
	return b.do("POST", link, nil, "Origin", b.w.routes[0].Origin, "Sec-Fetch-Site", "same-origin", "Content-Type", "application/x-www-form-urlencoded")
}

// TestBreakGlass: with Slack gone, a link signs its person in, who is then
// judged as anyone is; looking at it does not use it up.
func TestBreakGlass(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) { testBreakGlass(t, worldOn(t, st)) })
}

// worldOn is a world with that store.
func worldOn(t *testing.T, st *store.Store) *world {
	w := newWorld(t, func(c *gateway.Config) { c.Store = st })
	w.store = st
	return w
}

func testBreakGlass(t *testing.T, w *world) {
	if err := w.slack.Close(); err != nil {
		t.Fatal(err)
	}
	at, b := w.routes[0].Origin, w.browser()
	if got := b.get(at + "/dossiers"); got.StatusCode != 503 {
		t.Fatalf("without Slack: %d", got.StatusCode)
	}
	link := w.link(gateway.BreakGlass{User: "U0MARIE", Name: "Marie Dupont", By: "root"})
	for _, method := range []string{"GET", "HEAD", "GET"} {
		page := b.do(method, link, nil)
		if page.StatusCode != 200 || len(page.Cookies()) > 0 || page.Header.Get("Referrer-Policy") != "strict-origin" || page.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%s: %d %v", method, page.StatusCode, page.Header)
		}
		for _, want := range []string{"Marie Dupont", "marie@agrafmania.fr", host, "Sign in"} {
			if method == "GET" && !strings.Contains(page.text, want) {
				t.Errorf("the page does not say %q", want)
			}
		}
	}
	used := b.press(link)
	if used.StatusCode != 303 || used.Header.Get("Location") != at+"/" {
		t.Fatalf("the button: %d to %s: %s", used.StatusCode, used.Header.Get("Location"), used.text)
	}
	if !w.gateway.IsGlass(host, used.Cookies()[0].Value) {
		t.Error("the cookie does not say that Slack has not confirmed its person")
	}
	if got := b.get(at + "/admin/x"); got.StatusCode != 200 {
		t.Errorf("her page: %d", got.StatusCode)
	}
	app := w.last()
	if app.Header.Get("X-Forwarded-User") != "U0MARIE" || app.Header.Get("X-Forwarded-Email") != "marie@agrafmania.fr" || app.Header.Get("X-Gateway-Team") != teams[0] {
		t.Errorf("the app was told %v", app.Header)
	}
	if strings.Contains(app.Referer(), "key=") {
		t.Error("the app sees the key")
	}
	var n int
	if err := w.store.Read().QueryRow(`SELECT count(*) FROM session WHERE route = $1 AND user_id = 'U0MARIE' AND email = 'marie@agrafmania.fr'`, host).Scan(&n); err != nil || n != 1 {
		t.Errorf("%d rows of the session, %v", n, err)
	}
	w.audited(t, "root break_glass.made", "marie@agrafmania.fr break_glass.used")
	for _, want := range []string{`"level":"WARN","msg":"break-glass link made"`, `"level":"WARN","msg":"break-glass link used"`} {
		if !strings.Contains(w.log.String(), want) {
			t.Errorf("no warning %s", want)
		}
	}
	_, key, _ := strings.Cut(link, "key=")
	if strings.Contains(w.log.String(), key) {
		t.Error("the key is logged")
	}
	if err := w.store.Read().QueryRow(`SELECT count(*) FROM link WHERE id LIKE '%' || $1 || '%' OR detail LIKE '%' || $1 || '%'`, key).Scan(&n); err != nil || n != 0 {
		t.Errorf("the key is kept: %d, %v", n, err)
	}
}

func (w *world) audited(t *testing.T, want ...string) {
	t.Helper()
	rows, err := w.store.Read().Query(`SELECT actor, action FROM audit WHERE object = $1 ORDER BY seq`, host)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []string
	for rows.Next() {
		var actor, action string
		if err := rows.Scan(&actor, &action); err != nil {
			t.Fatal(err)
		}
		got = append(got, actor+" "+action)
	}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("audited %q, want %q", got, want)
	}
}

// TestBreakGlassLinksThatAreNoGood all get the same page, and no session.
func TestBreakGlassLinksThatAreNoGood(t *testing.T) {
	w := newWorld(t)
	at := w.routes[0].Origin
	used, old := w.link(gateway.BreakGlass{}), w.link(gateway.BreakGlass{})
	if got := w.browser().press(used); got.StatusCode != 303 {
		t.Fatal(got.StatusCode)
	}
	other := w.link(gateway.BreakGlass{Host: other, Email: "anne@editionsduport.fr"})
	_, key, _ := strings.Cut(other, "key=")
	for name, link := range map[string]string{
		"used": used, "another route's": at + "/.gateway/break-glass?key=" + key, "made up": at + "/.gateway/break-glass?key=x",
		"no key": at + "/.gateway/break-glass", "too late": old,
	} {
		if name == "too late" {
			w.advance(time.Hour)
		}
		for _, method := range []string{"GET", "POST"} {
			got := w.browser().do(method, link, nil, "Origin", at)
			if got.StatusCode != 410 || !strings.Contains(got.text, "no longer good") || len(got.Cookies()) > 0 {
				t.Errorf("%s: %s answered %d: %s", name, method, got.StatusCode, got.text)
			}
		}
	}
	fresh := w.link(gateway.BreakGlass{})
	for _, origin := range []string{"", "null", w.routes[1].Origin, strings.Replace(at, "http:", "https:", 1)} {
		if got := w.browser().do("POST", fresh, nil, "Origin", origin); got.StatusCode != 403 {
			t.Errorf("from %q: %d", origin, got.StatusCode)
		}
	}
	if got := w.browser().press(fresh); got.StatusCode != 303 {
		t.Errorf("foreign pages have used it up: %d", got.StatusCode)
	}
}

// TestBreakGlassOnce: of many who press the button at once, one gets in.
func TestBreakGlassOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) { testBreakGlassOnce(t, worldOn(t, st)) })
}

func testBreakGlassOnce(t *testing.T, w *world) {
	link := w.link(gateway.BreakGlass{})
	var wait sync.WaitGroup
	in := make(chan int, 8)
	for range cap(in) {
		b := w.browser()
		wait.Go(func() { in <- b.press(link).StatusCode })
	}
	wait.Wait()
	close(in)
	got := map[int]int{}
	for status := range in {
		got[status]++
	}
	if got[303] != 1 || got[410] != 7 {
		t.Errorf("got %v, want one 303 and seven 410", got)
	}
}

// TestBreakGlassSessionEnds after its own time, whatever its person does; and
// with a sign-out.
func TestBreakGlassSessionEnds(t *testing.T) {
	w := newWorld(t)
	at, b := w.routes[0].Origin, w.browser()
	b.press(w.link(gateway.BreakGlass{For: 30 * time.Minute}))
	for range 29 {
		w.advance(time.Minute)
		if got := b.get(at + "/x"); got.StatusCode != 200 {
			t.Fatalf("before its end: %d", got.StatusCode)
		}
	}
	w.advance(time.Minute)
	if got := b.get(at + "/x"); got.StatusCode != 302 {
		t.Errorf("after its end: %d", got.StatusCode)
	}
	b.press(w.link(gateway.BreakGlass{}))
	if got := b.get(at + "/x"); got.StatusCode != 200 {
		t.Fatalf("a second link: %d", got.StatusCode)
	}
	b.do("POST", at+"/.gateway/sign-out", nil, "Origin", at)
	if got := b.get(at + "/x"); got.StatusCode != 302 {
		t.Errorf("signed out: %d", got.StatusCode)
	}
}

// TestBreakGlassIsRefused where there is nothing to sign in to, and for more
// than an emergency.
func TestBreakGlassIsRefused(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) { c.Routes[1].Login = nil })
	good := gateway.BreakGlass{Host: host, Email: "marie@agrafmania.fr", For: time.Hour}
	for name, change := range map[string]func(*gateway.BreakGlass){
		"unknown host": func(b *gateway.BreakGlass) { b.Host = "nobody.localhost" }, "no login": func(b *gateway.BreakGlass) { b.Host = other },
		"no e-mail": func(b *gateway.BreakGlass) { b.Email = "marie" }, "two": func(b *gateway.BreakGlass) { b.Email = "a@b@c" },
		"user": func(b *gateway.BreakGlass) { b.User = "U0 MARIE" }, "too long": func(b *gateway.BreakGlass) { b.For = 4*time.Hour + 1 },
		"no time": func(b *gateway.BreakGlass) { b.For = 0 }, "negative": func(b *gateway.BreakGlass) { b.For = -time.Hour },
	} {
		b := good
		change(&b)
		if _, err := w.gateway.MakeBreakGlass(context.Background(), b); !errors.Is(err, gateway.ErrBreakGlass) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ids := map[string]bool{}
	for _, email := range []string{"marie@agrafmania.fr", "MARIE@agrafmania.fr", "marie+x@agrafmania.fr", "zoé@agrafmania.fr"} {
		b := good
		b.Email = email
		link, err := w.gateway.MakeBreakGlass(context.Background(), b)
		if err != nil || !strings.HasPrefix(link.User, "break-glass:") {
			t.Errorf("%s: %q, %v", email, link.User, err)
		}
		ids[link.User] = true
	}
	if len(ids) != 3 {
		t.Errorf("got the ids %v, want one for each address, whatever its case", ids)
	}
	if got := w.browser().get(w.routes[1].Origin + "/.gateway/break-glass?key=x"); got.StatusCode != 404 {
		t.Errorf("a route without login answered %d", got.StatusCode)
	}
}

// TestBreakGlassForSomebodyKnown: the link has the user id of whom the address
// belongs to, so that the app sees nobody new; but not of whom Slack keeps out.
func TestBreakGlassForSomebodyKnown(t *testing.T) {
	o := newOffice(t, nil, func(c *gateway.Config) { c.Routes[0].Login.PinEmail, c.Routes[0].Login.Guests = true, "allow" })
	for _, user := range []string{"U0MARIE", "U0PAUL", "U0GUEST"} {
		o.arrives(user)
	}
	o.becomes("U0PAUL", func(p *slacksim.Person) { p.Email = "boss@agrafmania.fr" })
	o.becomes("U0GUEST", deactivate)
	o.hearsOf("U0PAUL")
	o.hearsOf("U0GUEST")
	for _, row := range []struct{ email, user, want string }{
		{"Marie@Agrafmania.fr", "", "U0MARIE"},
		{"marie@agrafmania.fr", "U0OTHER", "U0OTHER"},
		{"zoe@example.com", "", "break-glass:zoe@example.com"},
		{"boss@agrafmania.fr", "", ""}, // Paul says that this is his
		{"guest@example.com", "", ""},
		{"guest@example.com", "U0GUEST", "U0GUEST"},
	} {
		link, err := o.gateway.MakeBreakGlass(t.Context(), gateway.BreakGlass{Host: host, Email: row.email, User: row.user, For: time.Hour, By: "lea"})
		if link.User != row.want || errors.Is(err, gateway.ErrBreakGlass) != (row.want == "") {
			t.Errorf("%s %s: for %q (%v), want %q", row.email, row.user, link.User, err, row.want)
		}
	}
	if page := o.browser().get(o.link(gateway.BreakGlass{})); !strings.Contains(page.text, "Marie") {
		t.Errorf("the page does not say her name: %s", page.text)
	}
}

// TestRevokedPersonHasALinkLeft: an operator who ends somebody's sessions ends
// what would begin another one without Slack, too.
func TestRevokedPersonHasALinkLeft(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w := worldOn(t, st)
		for name, row := range map[string]struct {
			r    gateway.Revocation
			good bool
		}{
			"all":                   {gateway.Revocation{All: true}, false},
			"the route":             {gateway.Revocation{Route: host}, false},
			"another route":         {gateway.Revocation{Route: other}, true},
			"the person":            {gateway.Revocation{Person: "Marie@agrafmania.fr"}, false},
			"the person, here":      {gateway.Revocation{Person: "marie@agrafmania.fr", Route: host}, false},
			"the person, elsewhere": {gateway.Revocation{Person: "marie@agrafmania.fr", Route: other}, true},
			"somebody else":         {gateway.Revocation{Person: "paul@agrafmania.fr"}, true},
		} {
			t.Run(name, func(t *testing.T) {
				link := w.link(gateway.BreakGlass{})
				row.r.Actor = "operator"
				if _, err := w.gateway.Revoke(context.Background(), row.r); err != nil {
					t.Fatal(err)
				}
				w.lose(time.Millisecond)
				if got := w.browser().press(link); (got.StatusCode == 303) != row.good {
					t.Errorf("the link answered %d", got.StatusCode)
				}
			})
		}
	})
}
