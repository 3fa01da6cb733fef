package gateway_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/store"
)

const (
	firefox = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
	iphone  = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
)

// signInWith is signIn with a User-Agent.
func (b *browser) signInWith(userAgent, address, team, user string) {
	b.w.t.Helper()
	first := b.get(address)
	back := b.pick(first.Header.Get("Location"), team, user)
	if got := b.get(back.Header.Get("Location"), "User-Agent", userAgent); got.StatusCode != 302 {
		b.w.t.Fatalf("callback answered %d", got.StatusCode)
	}
}

// TestSignOutEverywhere: the person's sessions on this route end, all of them;
// nobody else's do, and only a form of this very origin can ask for it.
func TestSignOutEverywhere(t *testing.T) {
	w := newWorld(t)
	origin := w.routes[0].Origin
	desk, phone, marie := w.browser(), w.browser(), w.browser()
	desk.signInWith(firefox, origin+"/", teams[0], "U0PAUL")
	w.advance(5 * time.Minute)
	phone.signInWith(iphone, origin+"/", teams[0], "U0PAUL")
	marie.signInWith(iphone, origin+"/", teams[0], "U0MARIE")

	page := phone.get(origin + "/.gateway/")
	for _, want := range []string{"Safari on iPhone", "this browser", "Firefox on Windows", "5 minutes ago", `action="/.gateway/sign-out-everywhere"`} {
		if !strings.Contains(page.text, want) {
			t.Errorf("the account page does not say %q", want)
		}
	}
	if n := strings.Count(page.text, "<li"); n != 2 {
		t.Errorf("the account page lists %d sessions, want the person's own 2", n)
	}
	if page := phone.get(origin+"/.gateway/", "Accept-Language", "fr"); !strings.Contains(page.text, "Firefox sur Windows") || !strings.Contains(page.text, "il y a 5 minutes") {
		t.Errorf("the French page says %s", page.text)
	}

	const path = "/.gateway/sign-out-everywhere"
	for _, foreign := range []string{w.routes[1].Origin, "null", "https://evil.example", ""} {
		if got := phone.do("POST", origin+path, nil, "Origin", foreign); got.StatusCode != 403 {
			t.Errorf("a form of %q answered %d, want 403", foreign, got.StatusCode)
		}
	}
	if got := phone.get(origin + path); got.StatusCode != 303 || got.Header.Get("Location") != origin+"/.gateway/" || phone.get(origin+"/").StatusCode != 200 {
		t.Errorf("a mere GET answered %d to %s", got.StatusCode, got.Header.Get("Location"))
	}
	got := phone.do("POST", origin+path, nil, "Origin", origin)
	if got.StatusCode != 303 || got.Header.Get("Clear-Site-Data") == "" || got.Header.Get("Location") != origin+"/.gateway/signed-out" {
		t.Fatalf("answered %d to %s", got.StatusCode, got.Header.Get("Location"))
	}
	if d, p, m := desk.get(origin+"/").StatusCode, phone.get(origin+"/").StatusCode, marie.get(origin+"/").StatusCode; d != 302 || p != 302 || m != 200 {
		t.Errorf("afterwards: desk %d, phone %d, want both out; colleague %d, want in", d, p, m)
	}
	var actor, object string
	must(t, w.store.Read().QueryRow(`SELECT actor, object FROM audit`).Scan(&actor, &object))
	if actor != teams[0]+"/U0PAUL" || object != "person U0PAUL on "+host {
		t.Errorf("audit: %s %s", actor, object)
	}
	w.advance(time.Millisecond)
	phone.signInWith(iphone, origin+"/", teams[0], "U0PAUL")
	if got := phone.get(origin + "/"); got.StatusCode != 200 {
		t.Errorf("signing in again at once: %d", got.StatusCode)
	}
}

// TestSignOutEverywhereWithoutRows: sessions that a restored store knows nothing
// of end all the same.
func TestSignOutEverywhereWithoutRows(t *testing.T) {
	w := newWorld(t)
	origin := w.routes[0].Origin
	desk, phone := w.browser(), w.browser()
	desk.signIn(origin+"/", teams[0], "U0PAUL")
	phone.signIn(origin+"/", teams[0], "U0PAUL")
	must(t, w.store.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM session`)
		return err
	}))
	phone.do("POST", origin+"/.gateway/sign-out-everywhere", nil, "Origin", origin)
	if got := desk.get(origin + "/"); got.StatusCode != 302 {
		t.Errorf("the other browser answers %d", got.StatusCode)
	}
}

// TestSignOutEverywhereTooLate: the button of a session that has expired is no
// form of the app's: nothing is kept of it, and the person sees the page again.
func TestSignOutEverywhereTooLate(t *testing.T) {
	w := newWorld(t)
	origin, path := w.routes[0].Origin, "/.gateway/sign-out-everywhere"
	b := w.browser()
	b.signIn(origin+"/", teams[0], "U0PAUL")
	w.advance(3 * time.Hour)
	got := b.do("POST", origin+path, strings.NewReader(""), "Origin", origin, "Content-Type", "application/x-www-form-urlencoded")
	if got.StatusCode != 303 || got.Header.Get("Location") != origin+"/.gateway/" {
		t.Errorf("answered %d to %s", got.StatusCode, got.Header.Get("Location"))
	}
	var kept int
	must(t, w.store.Read().QueryRow(`SELECT COUNT(*) FROM draft`).Scan(&kept))
	if kept != 0 {
		t.Errorf("%d forms are kept", kept)
	}
}

// TestAccountPageWithoutTheStore: it says who is signed in all the same, and
// does not claim to have signed out anybody.
func TestAccountPageWithoutTheStore(t *testing.T) {
	w := newWorld(t)
	origin := w.routes[0].Origin
	b := w.browser()
	b.signIn(origin+"/", teams[0], "U0PAUL")
	must(t, w.store.Close())
	if page := b.get(origin + "/.gateway/"); page.StatusCode != 200 || !strings.Contains(page.text, "paul@agrafmania.fr") || strings.Contains(page.text, "<li") {
		t.Errorf("the account page: %d %s", page.StatusCode, page.text)
	}
	got := b.do("POST", origin+"/.gateway/sign-out-everywhere", nil, "Origin", origin)
	if got.StatusCode != 503 || !strings.Contains(got.text, "Nothing has been signed out yet") || len(got.Cookies()) != 0 {
		t.Errorf("answered %d %s", got.StatusCode, title(got.text))
	}
}

// TestSessionsUnchecked: while nobody can tell who was signed out, pages say so
// instead of going to Slack and back without end; public ones go on; and all is
// well by itself when the store is back. Ready says so before it comes to that.
func TestSessionsUnchecked(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) { c.Session.RevocationMaxLag = 3 * time.Minute })
	b := w.browser()
	origin := w.routes[0].Origin
	b.signIn(origin+"/", teams[0], "U0PAUL")
	for _, step := range []struct {
		pass                  time.Duration
		page, script, machine int
		ready                 string
	}{
		{5 * time.Second, 200, 200, 302, ""},
		{2 * time.Minute, 200, 200, 302, "sessions are honoured until it is 3m0s old"},
		{2 * time.Minute, 503, 503, 503, "no session is honoured"},
	} {
		w.lose(step.pass)
		page := b.get(origin+"/dossiers/12", "Accept-Language", "fr")
		if page.StatusCode != step.page || page.StatusCode == 503 && (!strings.Contains(page.text, "ne peut pas être vérifiée") ||
			page.Header.Get("Retry-After") == "" || !strings.Contains(page.text, `href="`+origin+`/dossiers/12"`)) {
			t.Errorf("a page: %d %s", page.StatusCode, page.text)
		}
		if got := b.get(origin+"/.gateway/me", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"); got.StatusCode != step.script {
			t.Errorf("a script: %d", got.StatusCode)
		}
		for _, path := range []string{"/", "/.gateway/login"} {
			if got := w.browser().get(origin + path); got.StatusCode != step.machine {
				t.Errorf("somebody without a session at %s: %d", path, got.StatusCode)
			}
		}
		if got := b.get(origin + "/public/x"); got.StatusCode != 200 {
			t.Errorf("a public page: %d", got.StatusCode)
		}
		if err := w.gateway.Ready(t.Context()); (err == nil) != (step.ready == "") || err != nil && !strings.Contains(err.Error(), step.ready) {
			t.Errorf("ready: %v, want %q", err, step.ready)
		}
	}
	w.advance(0)
	if got := b.get(origin + "/"); got.StatusCode != 200 || w.gateway.Ready(t.Context()) != nil {
		t.Errorf("with the store back: %d", got.StatusCode)
	}
}

// TestNoListAtStart: a gateway that does not know who was signed out does not
// start.
func TestNoListAtStart(t *testing.T) {
	var conf gateway.Config
	w := newWorld(t, func(c *gateway.Config) { conf = *c })
	must(t, w.store.Close())
	if _, err := gateway.New(t.Context(), conf); err == nil || !strings.Contains(err.Error(), "read revocations") {
		t.Errorf("New gave %v", err)
	}
}

// ring reads the keys for cookies as the program does.
func ring(t *testing.T, st *store.Store, master store.Master, seal *gateway.Sealer, now time.Time) (first string) {
	t.Helper()
	const day = 24 * time.Hour
	keys, err := st.Ring(t.Context(), master, store.RingSpec{Purpose: "cookies", RotateEvery: 30 * day, AnnounceFor: 2 * day, KeepFor: 120 * day,
		Generate: func() ([]byte, error) {
			b := make([]byte, 32)
			rand.Read(b)
			return b, nil
		}}, now)
	must(t, err)
	list := make([]gateway.SealKey, len(keys))
	for i, k := range keys {
		list[i] = gateway.SealKey{ID: k.ID, Value: k.Value, ActiveFrom: k.ActiveFrom}
	}
	must(t, seal.Set(list))
	return list[0].ID
}

// TestKeyRotationLogsNobodyOut: not in 89 days, in which the key changes twice,
// neither who opens a page each day nor who holds a cookie of the first day.
func TestKeyRotationLogsNobodyOut(t *testing.T) {
	seal := new(gateway.Sealer)
	w := newWorld(t, func(c *gateway.Config) {
		c.Sealer, c.Session = seal, gateway.SessionTimes{Lifetime: 90 * 24 * time.Hour, Idle: 90 * 24 * time.Hour, MaxStale: 90 * 24 * time.Hour}
	})
	master, err := store.LoadMaster(t.TempDir(), "")
	must(t, err)
	keys := map[string]bool{ring(t, w.store, master, seal, w.clock()): true}
	page := w.routes[0].Origin + "/"
	daily, rarely := w.browser(), w.browser()
	daily.signIn(page, teams[0], "U0PAUL")
	rarely.signIn(page, teams[0], "U0MARIE")
	for range 89 {
		w.advance(24 * time.Hour)
		keys[ring(t, w.store, master, seal, w.clock())] = true
		if got := daily.get(page); got.StatusCode != 200 {
			t.Fatalf("answered %d after %d keys", got.StatusCode, len(keys))
		}
	}
	if got := rarely.get(page); got.StatusCode != 200 || len(keys) != 3 {
		t.Errorf("after 89 days and %d keys, want 3: answered %d", len(keys), got.StatusCode)
	}
}

// TestKeyTakenOut: what a key has sealed is good as long as the key is there,
// also for a cookie that was opened before.
func TestKeyTakenOut(t *testing.T) {
	seal := new(gateway.Sealer)
	w := newWorld(t, func(c *gateway.Config) { c.Sealer = seal })
	old := gateway.SealKey{ID: "old", Value: []byte(strings.Repeat("o", 32))}
	must(t, seal.Set([]gateway.SealKey{old}))
	b, page := w.browser(), w.routes[0].Origin+"/"
	b.signIn(page, teams[0], "U0PAUL")
	fresh := gateway.SealKey{ID: "new", Value: []byte(strings.Repeat("n", 32))}
	for _, row := range []struct {
		ring []gateway.SealKey
		want int
	}{{[]gateway.SealKey{old}, 200}, {[]gateway.SealKey{fresh, old}, 200}, {[]gateway.SealKey{fresh}, 302}} {
		must(t, seal.Set(row.ring))
		if got := b.get(page); got.StatusCode != row.want {
			t.Errorf("with %d keys, the first %s: answered %d, want %d", len(row.ring), row.ring[0].ID, got.StatusCode, row.want)
		}
	}
}

// TestStoreLost: with the store its keys are gone, and so everybody's session,
// although the master key was kept. Nobody revoked before comes back to life.
func TestStoreLost(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	master, err := store.LoadMaster(t.TempDir(), strings.Repeat("ab", 32))
	must(t, err)
	seal := new(gateway.Sealer)
	var conf gateway.Config
	w := newWorld(t, func(c *gateway.Config) { c.Sealer = seal; conf = *c })
	ring(t, w.store, master, seal, w.clock())
	origin := w.routes[0].Origin
	in, out := w.browser(), w.browser()
	in.signIn(origin+"/", teams[0], "U0PAUL")
	out.signIn(origin+"/", teams[0], "U0MARIE")
	u, _ := url.Parse(origin)
	kept := out.Jar.Cookies(u)
	out.do("POST", origin+"/.gateway/sign-out", nil, "Origin", origin)
	if got := in.get(origin + "/"); got.StatusCode != 200 {
		t.Fatalf("baseline: %d", got.StatusCode)
	}

	fresh, err := store.Open(t.Context(), state, slog.New(slog.DiscardHandler))
	must(t, err)
	t.Cleanup(func() { fresh.Close() })
	if fresh.Epoch() == w.store.Epoch() {
		t.Error("another store has the same epoch")
	}
	ring(t, fresh, master, seal, w.clock())
	conf.Store = fresh
	w.gateway, err = gateway.New(t.Context(), conf)
	must(t, err)
	out.Jar.SetCookies(u, kept)
	if a, b := in.get(origin+"/").StatusCode, out.get(origin+"/").StatusCode; a != 302 || b != 302 {
		t.Errorf("on a new store: signed in %d, signed out %d, want both sent to Slack", a, b)
	}
	in.signIn(origin+"/", teams[0], "U0PAUL")
	if got := in.get(origin + "/"); got.StatusCode != 200 {
		t.Errorf("signed in anew: %d", got.StatusCode)
	}
}
