package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"image/png"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
)

// TestSetup: from the link to a finished set-up, and a person who signs in.
func TestSetup(t *testing.T) {
	eachSite(t, func(t *testing.T, s *site) {
		before := s.browser().get(s.routes[0].Origin + "/dossiers")
		if before.StatusCode != 503 || !strings.Contains(before.text, "not connected to Slack yet") || before.Header.Get("Retry-After") == "" {
			t.Errorf("a page before the set-up: %d %s", before.StatusCode, before.text)
		}
		made, err := s.gateway.MakeSetup(t.Context(), host, "lea")
		if err != nil || !strings.HasPrefix(made.Hook.Token.Reveal(), "cgh_") || made.Hook.URL != s.routes[0].Origin+"/.gateway/v1/notifications" {
			t.Fatalf("the link: %v %v", made, err)
		}
		b := s.pasted()
		if st := s.status(); st.Installed || !st.Link.Opened || !st.Link.Credentials || !st.HookToken {
			t.Errorf("with credentials the status is %+v %+v", st, st.Link)
		}
		if page := b.get(s.at); !strings.Contains(page.text, `id="install"`) || !strings.Contains(page.text, "send messages") {
			t.Errorf("the step of installing: %s", page.text)
		}
		if got := s.install(b, teams[0], "U0MARIE"); got.StatusCode != 303 || got.Header.Get("Location") != s.at {
			t.Fatalf("the installation: %d %s", got.StatusCode, got.text)
		}
		st := s.status()
		if !st.InForce || st.Workspace != teams[0] || st.WorkspaceName != "Workspace "+teams[0] || st.AppID != "A0NEW" || st.InstalledBy != "U0MARIE" || st.ClientID != newClientID {
			t.Errorf("once installed the status is %+v", st)
		}
		s.tryOut(b)
		if got := b.fill(s.at+"/finish", nil); got.StatusCode != 303 {
			t.Fatalf("finish: %d %s", got.StatusCode, got.text)
		}
		if page := b.get(s.at); page.StatusCode != 200 || !strings.Contains(page.text, "All is set up") {
			t.Errorf("in the end: %d %s", page.StatusCode, page.text)
		}
		if st := s.status(); st.Link.State != "finished" || st.Link.SignedIn != "marie@agrafmania.fr" || st.Link.Message != "sent" {
			t.Errorf("in the end the status is %+v", st.Link)
		}
		if got := s.browser().signIn(s.routes[0].Origin+"/dossiers", teams[0], "U0PAUL"); got.StatusCode != 302 || got.Header.Get("Location") != s.routes[0].Origin+"/dossiers" {
			t.Errorf("somebody else signs in: %d to %s", got.StatusCode, got.Header.Get("Location"))
		}
		want := []string{"lea setup.made", "lea setup.made", "setup link of lea setup.opened", "U0MARIE setup.installed", "setup link of lea setup.finished"}
		if got := s.deeds(); !slices.Equal(got, want) {
			t.Errorf("the audit says %q, want %q", got, want)
		}
		s.silent()
	})
}

// tryOut does the last step.
func (s *site) tryOut(b *browser) {
	s.t.Helper()
	page := b.get(s.at)
	if strings.Contains(page.text, `id="signed-in"`) || !strings.Contains(page.text, `id="sign-in"`) {
		s.t.Errorf("before the test sign-in: %s", page.text)
	}
	if got := b.signIn(s.routes[0].Origin+"/.gateway/login?to=/.gateway/setup", teams[0], "U0MARIE"); got.Header.Get("Location") != s.at {
		s.t.Errorf("the test sign-in leads to %s", got.Header.Get("Location"))
	}
	if page = b.get(s.at); !strings.Contains(page.text, `id="signed-in"`) || !strings.Contains(page.text, "marie@agrafmania.fr") {
		s.t.Errorf("after the test sign-in: %s", page.text)
	}
	for range 2 { // a second press must not send twice
		if got := b.fill(s.at+"/message", nil, "Accept-Language", "fr"); got.StatusCode != 303 {
			s.t.Fatalf("the test message: %d %s", got.StatusCode, got.text)
		}
	}
	if len(s.texts) != 1 || !strings.HasPrefix(s.texts[0], host+" U0MARIE Cela fonctionne") {
		s.t.Errorf("sent %q", s.texts)
	}
	if page = b.get(s.at); page.Header.Get("Refresh") == "" || !strings.Contains(page.text, "On its way") {
		s.t.Errorf("while the message waits: %s", page.text)
	}
	s.told = gateway.Told{State: "dead", Reason: "messages_tab_disabled"}
	if page = b.get(s.at); page.Header.Get("Refresh") != "" || !strings.Contains(page.text, "App Home") {
		s.t.Errorf("when the message fails: %s", page.text)
	}
	s.told = gateway.Told{State: "sent"}
	if page = b.get(s.at); !strings.Contains(page.text, "Delivered") {
		s.t.Errorf("when the message has arrived: %s", page.text)
	}
}

// TestSetupLinkPreview: what a mail program or a chat does with a link uses nothing.
func TestSetupLinkPreview(t *testing.T) {
	eachSite(t, func(t *testing.T, s *site) {
		link := s.setupLink()
		for _, method := range []string{"GET", "HEAD", "GET"} {
			got := s.browser().do(method, link, nil)
			if got.StatusCode != 200 || len(got.Cookies()) > 0 || got.Header.Get("Referrer-Policy") != "strict-origin" || got.Header.Get("Cache-Control") != "no-store" {
				t.Fatalf("%s: %d %v", method, got.StatusCode, got.Header)
			}
		}
		if st := s.status(); st.Link.Opened || st.Link.State != "open" {
			t.Errorf("after a look the link is %+v", st.Link)
		}
		for _, origin := range []string{"", "https://evil.example", "null"} {
			if got := s.browser().do("POST", link, nil, "Origin", origin); got.StatusCode != 403 || len(got.Cookies()) > 0 {
				t.Errorf("pressed from %q: %d", origin, got.StatusCode)
			}
		}
	})
}

// TestSetupAnotherBrowser: one browser at a time; who takes over shuts the other out.
func TestSetupAnotherBrowser(t *testing.T) {
	eachSite(t, func(t *testing.T, s *site) {
		link, first, second := s.setupLink(), s.browser(), s.browser()
		first.fill(link, nil)
		if got := first.get(link); got.StatusCode != 302 {
			t.Errorf("the link again in the first browser: %d", got.StatusCode)
		}
		if got := second.get(link); got.StatusCode != 200 || !strings.Contains(got.text, "begun in another browser") || !strings.Contains(got.text, "take=1") {
			t.Errorf("in the second: %d %s", got.StatusCode, got.text)
		}
		if got := second.fill(link, nil); got.StatusCode != 409 || len(got.Cookies()) > 0 {
			t.Errorf("taken without having been told: %d", got.StatusCode)
		}
		if got := second.fill(link+"&take=1", nil); got.StatusCode != 303 {
			t.Errorf("taken over: %d %s", got.StatusCode, got.text)
		}
		if got := second.get(s.at); got.StatusCode != 200 {
			t.Errorf("the second browser: %d", got.StatusCode)
		}
		for path, form := range map[string]url.Values{"": nil, "/secrets": secrets(), "/message": {}, "/finish": {}} {
			got := first.get(s.at)
			if path != "" {
				got = first.fill(s.at+path, form)
			}
			if got.StatusCode != 409 || !strings.Contains(got.text, "another browser") {
				t.Errorf("the first browser at %q: %d", path, got.StatusCode)
			}
		}
		if got := first.get(s.at + "/install"); got.StatusCode != 409 {
			t.Errorf("the first browser installs: %d", got.StatusCode)
		}
	})
}

// TestSetupLinkEnds: each end says which it is, everywhere.
func TestSetupLinkEnds(t *testing.T) {
	for name, row := range map[string]struct {
		end  func(s *site, b *browser)
		says string
	}{
		"revoked":  {func(s *site, _ *browser) { _ = s.gateway.RevokeSetup(context.Background(), host, "lea") }, "withdrawn"},
		"replaced": {func(s *site, _ *browser) { s.setupLink() }, "newer link"},
		"expired":  {func(s *site, _ *browser) { s.advance(25 * time.Hour) }, "expired"},
		"pruned": {func(s *site, _ *browser) {
			s.advance(25 * time.Hour)
			if err := s.gateway.Prune(context.Background()); err != nil {
				s.t.Error(err)
			}
		}, "expired"},
		"gone": {func(s *site, _ *browser) {
			s.advance(32 * 24 * time.Hour)
			if err := s.gateway.Prune(context.Background()); err != nil {
				s.t.Error(err)
			}
		}, "not known"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, nil)
			link, b := s.setupLink(), s.browser()
			b.fill(link, nil)
			row.end(s, b)
			for _, got := range []answer{b.get(link), b.get(s.at), b.fill(link, nil), b.fill(s.at+"/secrets", secrets()), b.get(s.at + "/install"), s.browser().get(link)} {
				if got.StatusCode < 400 || !strings.Contains(got.text, row.says) {
					t.Errorf("%s answered %d %s", got.Request.URL.Path, got.StatusCode, got.text)
				}
			}
		})
	}
	s := newSite(t, nil)
	link := s.setupLink()
	b := s.browser()
	b.fill(link, nil)
	b.fill(s.at+"/secrets", secrets())
	s.install(b, teams[0], "U0MARIE")
	b.fill(s.at+"/finish", nil)
	for _, got := range []answer{b.get(link), s.browser().get(link), s.browser().fill(link+"&take=1", nil)} {
		if got.StatusCode != 410 || !strings.Contains(got.text, "finished") {
			t.Errorf("a finished link: %d %s", got.StatusCode, got.text)
		}
	}
	if err := s.gateway.RevokeSetup(t.Context(), host, "lea"); !errors.Is(err, gateway.ErrSetup) {
		t.Errorf("a finished link is revoked: %v", err)
	}
}

// TestSetupForeignKeys: what opens another door does not open this one, nor the
// other way round.
func TestSetupForeignKeys(t *testing.T) {
	s := newSite(t, nil)
	b := s.installed()
	glass := s.link(gateway.BreakGlass{By: "root"})
	_, key, _ := strings.Cut(glass, "?key=")
	if got := s.browser().get(s.at + "?key=" + key); got.StatusCode != 404 {
		t.Errorf("a break-glass key: %d", got.StatusCode)
	}
	_, key, _ = strings.Cut(s.setupLink(), "?key=")
	if got := s.browser().get(s.routes[0].Origin + "/.gateway/break-glass?key=" + key); got.StatusCode != 410 {
		t.Errorf("a setup key at break-glass: %d", got.StatusCode)
	}
	at, _ := url.Parse(s.at)
	setupCookie := ""
	for _, c := range b.Jar.Cookies(at) {
		if c.Name == "gw-setup" {
			setupCookie = c.Value
		}
	}
	if setupCookie == "" {
		t.Fatal("no setup cookie")
	}
	if got := s.browser().get(s.routes[0].Origin+"/.gateway/me", "Cookie", "gw="+setupCookie); got.StatusCode != 401 {
		t.Errorf("a setup cookie as a session: %d", got.StatusCode)
	}
	signedIn := s.browser()
	signedIn.signIn(s.routes[0].Origin+"/dossiers", teams[0], "U0PAUL")
	for _, c := range signedIn.Jar.Cookies(at) {
		if got := s.browser().get(s.at, "Cookie", "gw-setup="+c.Value); got.StatusCode != 403 {
			t.Errorf("the cookie %s as a setup cookie: %d", c.Name, got.StatusCode)
		}
	}
	if got := s.browser().get(s.at); got.StatusCode != 403 || !strings.Contains(got.text, "Open the link") {
		t.Errorf("without a cookie: %d", got.StatusCode)
	}
	if got := s.browser().get(s.routes[1].Origin+"/.gateway/setup", "Cookie", "gw-setup="+setupCookie); got.StatusCode != 404 {
		t.Errorf("on a route that is not managed: %d", got.StatusCode)
	}
}

// TestSetupOperator: what can be asked for, and what is said otherwise.
func TestSetupOperator(t *testing.T) {
	eachSite(t, func(t *testing.T, s *site) {
		for name, row := range map[string]struct{ host, want string }{
			"unknown host": {"nowhere.localhost", "no route"},
			"not managed":  {other, "slack_app: {managed: true}"},
		} {
			_, made := s.gateway.MakeSetup(t.Context(), row.host, "lea")
			_, status := s.gateway.SetupStatus(t.Context(), row.host)
			_, token := s.gateway.NewHookToken(t.Context(), row.host, "lea")
			for _, err := range []error{made, status, token, s.gateway.RevokeSetup(t.Context(), row.host, "lea"), s.gateway.ResetSetup(t.Context(), row.host, "lea")} {
				if !errors.Is(err, gateway.ErrSetup) || !strings.Contains(err.Error(), row.want) {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
		if st := s.status(); st.Installed || st.Link != nil {
			t.Errorf("at first the status is %+v", st)
		}
		if err := s.gateway.ResetSetup(t.Context(), host, "lea"); !errors.Is(err, gateway.ErrSetup) {
			t.Errorf("reset without an app: %v", err)
		}
		if _, err := s.gateway.MakeBreakGlass(t.Context(), gateway.BreakGlass{Host: host, Email: "marie@agrafmania.fr", User: "U0MARIE", For: time.Hour}); !errors.Is(err, gateway.ErrBreakGlass) {
			t.Errorf("break-glass without a workspace: %v", err)
		}
		first, err := s.gateway.MakeSetup(t.Context(), host, "lea")
		if err != nil || first.Hook.Token == "" {
			t.Fatalf("no token was made: %v", err)
		}
		if again, err := s.gateway.MakeSetup(t.Context(), host, "lea"); err != nil || again.Hook.Token != "" {
			t.Errorf("a second link gives a token: %v", err)
		}
		if other, err := s.gateway.NewHookToken(t.Context(), host, "lea"); err != nil || other.Token == first.Hook.Token {
			t.Errorf("another token: %v", err)
		}
		apps, err := s.apps.Read(t.Context())
		if app := apps[host]; err != nil || app.HookToken == "" || app.HookToken == first.Hook.Token || app.App != (gateway.SlackApp{Managed: true}) {
			t.Errorf("the store has %+v %v", app, err)
		}
	})
}

// TestSetupReset: everybody is out, nobody gets in, and another workspace can be
// set up; the token of the webhook stays.
func TestSetupReset(t *testing.T) {
	eachSite(t, func(t *testing.T, s *site) {
		b := s.installed()
		b.signIn(s.routes[0].Origin+"/dossiers", teams[0], "U0MARIE")
		if got := b.get(s.routes[0].Origin + "/dossiers"); got.StatusCode != 200 {
			t.Fatalf("before: %d", got.StatusCode)
		}
		apps, err := s.apps.Read(t.Context())
		token := apps[host].HookToken
		if err != nil || token == "" {
			t.Fatal(err)
		}
		if err := s.gateway.ResetSetup(t.Context(), host, "lea"); err != nil {
			t.Fatal(err)
		}
		if got := b.get(s.routes[0].Origin + "/dossiers"); got.StatusCode != 503 {
			t.Errorf("after the reset: %d", got.StatusCode)
		}
		if apps, err = s.apps.Read(t.Context()); err != nil || apps[host].HookToken != token || apps[host].App.ClientID != "" || apps[host].Workspace != "" {
			t.Errorf("after the reset the store has %+v %v", apps[host], err)
		}
		if got := b.get(s.at); got.StatusCode != 410 {
			t.Errorf("the link after the reset: %d", got.StatusCode)
		}
		s.installed()
		if got := b.get(s.routes[0].Origin + "/dossiers"); got.StatusCode == 200 {
			t.Error("a session of before the reset lives again")
		}
	})
}

// TestManagedAppsChanged: a replica notices, once.
func TestManagedAppsChanged(t *testing.T) {
	eachSite(t, func(t *testing.T, s *site) {
		check := func(when string, want bool) {
			t.Helper()
			if got, err := s.apps.Changed(t.Context()); err != nil || got != want {
				t.Errorf("%s: changed %v %v, want %v", when, got, err, want)
			}
		}
		if _, err := s.apps.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
		check("at first", false)
		s.gateway.SetAppChanged(nil)
		b := s.pasted()
		check("a token was made", true)
		if _, err := s.apps.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
		check("read", false)
		s.install(b, teams[0], "U0MARIE")
		check("installed", true)
		if page := b.get(s.at); page.Header.Get("Refresh") == "" || !strings.Contains(page.text, "being put into service") {
			t.Errorf("until it is in force the page says %s", page.text)
		}
		s.apply()
		check("applied", false)
		if page := b.get(s.at); !strings.Contains(page.text, `id="sign-in"`) {
			t.Errorf("in force the page says %s", page.text)
		}
	})
}

// TestSetupIcon: what Slack takes, and more than one colour.
func TestSetupIcon(t *testing.T) {
	s := newSite(t, nil)
	got := s.browser().get(s.at + "/icon.png")
	img, err := png.Decode(bytes.NewReader([]byte(got.text)))
	if err != nil || got.Header.Get("Content-Type") != "image/png" {
		t.Fatalf("%v %v", err, got.Header)
	}
	if b := img.Bounds(); b.Dx() != b.Dy() || b.Dx() < 512 || b.Dx() > 2000 {
		t.Errorf("it is %v", b)
	}
	colours := map[any]bool{}
	for i := range img.Bounds().Dx() {
		colours[img.At(i, i)] = true
	}
	if len(colours) < 20 {
		t.Errorf("it has %d colours on its diagonal", len(colours))
	}
}
