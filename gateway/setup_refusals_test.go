package gateway_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// TestSetupSecrets: each mistake is said at its field, what was right is kept, and
// no secret is ever sent back.
func TestSetupSecrets(t *testing.T) {
	other := strings.Repeat("9", 32)
	for name, row := range map[string]struct {
		form   url.Values
		status int
		says   string
		field  string // that is to be mended
	}{
		"surrounded by rubbish":   {secrets("client_id", " "+newClientID+"\n", "client_secret", "\u200b"+newClientSecret+"\u00a0"), 303, "", ""},
		"client id of none":       {secrets("client_id", "1.2"), 422, "two numbers", "client_id"},
		"app id":                  {secrets("client_id", "A0NEW"), 422, "App ID", "client_id"},
		"unknown client id":       {secrets("client_id", "3333333333.4444444444"), 422, "knows no app", "client_id"},
		"another app's secret":    {secrets("client_secret", other), 422, "not the secret", "client_secret"},
		"cut secret":              {secrets("client_secret", newClientSecret[:20]), 422, "32 letters", "client_secret"},
		"verification token":      {secrets("signing_secret", "AbCdEfGhIjKlMnOpQrStUvWx"), 422, "Verification Token", "signing_secret"},
		"client secret twice":     {secrets("signing_secret", newClientSecret), 422, "once more", "signing_secret"},
		"nothing":                 {url.Values{}, 422, "still missing", "client_id"},
		"script in the client id": {secrets("client_id", `"><script>`), 422, "two numbers", "client_id"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, nil)
			b := s.admin()
			got := b.fill(s.at+"/secrets", row.form)
			if got.StatusCode != row.status || !strings.Contains(got.text, row.says) {
				t.Fatalf("%d %s", got.StatusCode, got.text)
			}
			if row.field == "" {
				return
			}
			for _, want := range []string{`aria-describedby="` + row.field + `_no"`, `<a href="#` + row.field + `">`, `<title>Error: Step 2 of 4: Three values · Connect `} {
				if !strings.Contains(got.text, want) {
					t.Errorf("the page of the mistake in %s lacks %s: %s", row.field, want, got.text)
				}
			}
			for _, secret := range []string{newClientSecret, newSigningSecret, other, "<script>", newClientSecret[:20]} {
				if strings.Contains(got.text, secret) {
					t.Errorf("%s came back in the page", secret)
				}
			}
			if row.form.Has("client_id") { // only what was wrong has to be typed again
				again := url.Values{"client_id": {""}, "client_secret": {""}, "signing_secret": {""}}
				again.Set(row.field, secrets().Get(row.field))
				if got := b.fill(s.at+"/secrets", again); got.StatusCode != 303 {
					t.Errorf("mended: %d %s", got.StatusCode, got.text)
				}
			}
			s.silent()
		})
	}
}

// TestSetupSlackDown: nothing typed is lost while Slack does not answer.
func TestSetupSlackDown(t *testing.T) {
	s := newSite(t, nil)
	b := s.admin()
	for _, row := range []struct {
		fault  slacksim.Fault
		status int
		says   string
	}{
		{slacksim.Fault{Method: "oauth.v2.access", Kind: slacksim.ServerError, Status: 503, Times: 1}, 503, "cannot be reached"},
		{slacksim.Fault{Method: "oauth.v2.access", Kind: slacksim.RateLimited, Times: 1}, 503, "go slower"},
	} {
		s.slack.Fault(row.fault)
		got := b.fill(s.at+"/secrets", secrets())
		if got.StatusCode != row.status || !strings.Contains(got.text, row.says) || !strings.Contains(got.text, newClientID) || strings.Contains(got.text, newClientSecret) {
			t.Errorf("%s: %d %s", row.says, got.StatusCode, got.text)
		}
		if st := s.status(); st.Link.Credentials {
			t.Errorf("%s: what Slack has not checked counts as checked", row.says)
		}
		if got := b.get(s.at + "/install"); got.StatusCode != 303 {
			t.Errorf("%s: installed with what was not checked: %d", row.says, got.StatusCode)
		}
	}
	if got := b.fill(s.at+"/secrets", url.Values{}); got.StatusCode != 303 {
		t.Errorf("again, with what was kept: %d %s", got.StatusCode, got.text)
	}
}

// TestSetupInstallRefused: who may not install, where, and how. Nothing of such an
// installation is kept.
func TestSetupInstallRefused(t *testing.T) {
	pinned := func(c *gateway.Config) { c.Routes[0].Workspace, c.Routes[0].WorkspaceName = teams[0], "Agrafmania" }
	for name, row := range map[string]struct {
		change func(*gateway.Config)
		before func(s *site)
		team   string
		user   string
		says   string // empty: it is let in
	}{
		"admin":                      {nil, nil, teams[0], "U0MARIE", ""},
		"no admin":                   {nil, nil, teams[0], "U0PAUL", "no administrator"},
		"no admin, workspace pinned": {pinned, nil, teams[0], "U0PAUL", ""},
		"wrong workspace":            {pinned, nil, teams[1], "U0ANNE", "belongs to Agrafmania"},
		"enterprise":                 {nil, (*site).enterprise, teams[0], "U0MARIE", "whole organisation"},
		"a scope is missing":         {nil, func(s *site) { s.grants("chat:write,users:read") }, teams[0], "U0MARIE", "users:read.email is missing"},
		"guest, workspace pinned":    {pinned, (*site).guest, teams[0], "U0PAUL", "is a guest"},
		"Slack cannot be asked of it": {nil, func(s *site) {
			s.slack.Fault(slacksim.Fault{Method: "users.info", Kind: slacksim.ServerError, Status: 503, Times: 1})
		}, teams[0], "U0MARIE", "cannot be reached"},
		"tokens expire": {nil, func(s *site) {
			s.answerAccess(`{"ok":true,"access_token":"xoxe.xoxb-1-x","refresh_token":"xoxe-1-x","expires_in":43200,"app_id":"A0NEW","bot_user_id":"U1","scope":"chat:write,users:read,users:read.email","team":{"id":"` + teams[0] + `","name":"W"},"authed_user":{"id":"U0MARIE"}}`)
		}, teams[0], "U0MARIE", "token rotation"},
		"endless token":               {nil, func(s *site) { s.token(strings.Repeat("x", 2000)) }, teams[0], "U0MARIE", "could not be used"},
		"token of two lines":          {nil, func(s *site) { s.token(`xoxb-1\r\nX-Evil: 1`) }, teams[0], "U0MARIE", "could not be used"},
		"endless answer":              {nil, func(s *site) { s.token(strings.Repeat("x", 8<<20)) }, teams[0], "U0MARIE", "could not be used"},
		"the token is no good":        {nil, func(s *site) { s.refuse("auth.test", "invalid_auth") }, teams[0], "U0MARIE", "has refused"},
		"nobody can tell":             {nil, func(s *site) { s.refuse("users.info", "missing_scope") }, teams[0], "U0MARIE", "users:read"},
		"nobody can tell, but pinned": {pinned, func(s *site) { s.refuse("users.info", "missing_scope") }, teams[0], "U0MARIE", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var change []func(*gateway.Config)
			if row.change != nil {
				change = append(change, row.change)
			}
			s := newSite(t, nil, change...)
			b := s.pasted()
			if row.before != nil {
				row.before(s)
			}
			got := s.install(b, row.team, row.user)
			if row.says == "" {
				if st := s.status(); got.StatusCode != 303 || !st.InForce {
					t.Errorf("%d %s", got.StatusCode, got.text)
				}
				return
			}
			if got.StatusCode < 400 || !strings.Contains(got.text, row.says) || !strings.Contains(got.text, `id="install"`) {
				t.Errorf("%d %s", got.StatusCode, got.text)
			}
			if st := s.status(); st.Installed || st.Workspace != "" {
				t.Errorf("the status is %+v", st)
			}
			if apps, err := s.apps.Read(t.Context()); err != nil || apps[host].App.BotToken != "" {
				t.Errorf("a token was kept: %v %v", apps[host], err)
			}
			s.silent()
			if name != "wrong workspace" && row.before == nil {
				return
			}
			if got := s.install(b, teams[0], "U0MARIE"); row.team == teams[1] && got.StatusCode != 303 {
				t.Errorf("then the right one: %d %s", got.StatusCode, got.text)
			}
		})
	}
}

// TestSetupSecondWorkspace: what is installed is pinned; the same workspace may
// install again, another is refused by name.
func TestSetupSecondWorkspace(t *testing.T) {
	eachSite(t, func(t *testing.T, s *site) {
		s.installed()
		b := s.admin()
		if page := b.get(s.at + "?step=3"); !strings.Contains(page.text, `id="install"`) {
			t.Errorf("a new link on a finished route cannot install again: %s", page.text)
		}
		got := s.install(b, teams[1], "U0ANNE")
		if got.StatusCode != 403 || !strings.Contains(got.text, "belongs to Workspace "+teams[0]) {
			t.Errorf("a second workspace: %d %s", got.StatusCode, got.text)
		}
		if st := s.status(); st.Workspace != teams[0] || !st.InForce {
			t.Errorf("the status is %+v", st)
		}
		if got := s.install(b, teams[0], "U0PAUL"); got.StatusCode != 303 {
			t.Errorf("the same workspace again: %d %s", got.StatusCode, got.text)
		}
	})
}

// TestSetupInstallState: a state serves once, in its browser, for its link, and for
// nothing else.
func TestSetupInstallState(t *testing.T) {
	s := newSite(t, nil)
	b := s.pasted()
	state := func() string {
		to, err := url.Parse(b.get(s.at + "/install").Header.Get("Location"))
		if err != nil || to.Query().Get("state") == "" {
			t.Fatalf("to Slack: %v", err)
		}
		if got := to.Query().Get("scope"); got != "chat:write,users:read,users:read.email" {
			t.Errorf("asks for %s", got)
		}
		return to.Query().Get("state")
	}
	refused := func(name string, got answer) {
		t.Helper()
		if got.StatusCode != 400 || !strings.Contains(got.text, "Simply press the button again") || s.status().Installed {
			t.Errorf("%s: %d %s", name, got.StatusCode, got.text)
		}
	}
	refused("no state", b.get(s.at+"/installed?code=x"))
	refused("rubbish", b.get(s.at+"/installed?code=x&state=rubbish"))
	refused("no code", b.get(s.at+"/installed?state="+state()))
	login := newSite(t, nil)
	other := login.installed()
	to, _ := url.Parse(other.get(login.routes[0].Origin + "/dossiers").Header.Get("Location"))
	refused("wrong state kind", other.sameAs(b, s.at+"/installed?code=x&state="+to.Query().Get("state")))
	late := state()
	s.lose(16 * time.Minute)
	refused("too late", b.get(s.at+"/installed?code=x&state="+late))
	if got := b.get(s.routes[0].Origin + "/.gateway/callback?code=x&state=" + state()); got.StatusCode == 302 {
		t.Errorf("an install state signs in: %d", got.StatusCode)
	}
	stolen := state()
	for _, row := range []struct{ error, says string }{
		{"access_denied", "You have cancelled"}, {"unapproved_scope", "approved first"}, {"invalid_scope", "lacks a setting"}, {"something_new", "something_new"},
	} {
		if got := b.get(s.at + "/installed?error=" + row.error + "&state=" + state()); got.StatusCode != 403 || !strings.Contains(got.text, row.says) {
			t.Errorf("%s: %d %s", row.error, got.StatusCode, got.text)
		}
	}
	second := s.admin() // the first link ends
	second.fill(s.at+"/secrets", secrets())
	refused("another link's state", second.get(s.at+"/installed?code=x&state="+stolen))
	back := second.pick(second.get(s.at+"/install").Header.Get("Location"), teams[0], "U0MARIE").Header.Get("Location")
	if got := second.get(back); got.StatusCode != 303 {
		t.Errorf("the genuine one: %d %s", got.StatusCode, got.text)
	}
	if got := second.get(back); got.StatusCode != 400 {
		t.Errorf("used twice: %d", got.StatusCode)
	}
}

// sameAs asks as another browser.
func (*browser) sameAs(b *browser, address string) answer { return b.get(address) }

// TestSetupLinkTakenAtSlack: who lost the link while at Slack cannot finish.
func TestSetupLinkTakenAtSlack(t *testing.T) {
	s := newSite(t, nil)
	link, first, second := s.setupLink(), s.browser(), s.browser()
	first.fill(link, nil)
	first.fill(s.at+"/secrets", secrets())
	back := first.pick(first.get(s.at+"/install").Header.Get("Location"), teams[0], "U0MARIE").Header.Get("Location")
	second.fill(link+"&take=1", nil)
	for _, b := range []*browser{first, second} {
		if got := b.get(back); got.StatusCode < 400 || s.status().Installed {
			t.Errorf("%d %s", got.StatusCode, got.text)
		}
	}
}

// enterprise makes the next installation one of a whole organisation.
func (s *site) enterprise() {
	s.answerAccess(`{"ok":true,"access_token":"xoxb-org","token_type":"bot","app_id":"A0NEW","bot_user_id":"U1","scope":"chat:write","team":null,"enterprise":{"id":"E1","name":"Org"},"is_enterprise_install":true,"authed_user":{"id":"U0MARIE"}}`)
}

// grants makes the next installation one with those scopes.
func (s *site) grants(scopes string) {
	s.answerAccess(`{"ok":true,"access_token":"xoxb-few","token_type":"bot","app_id":"A0NEW","bot_user_id":"U1","scope":"` + scopes + `","team":{"id":"` + teams[0] + `","name":"W"},"authed_user":{"id":"U0MARIE"}}`)
}

// token makes the next installation one with that token, as it stands in JSON.
func (s *site) token(text string) {
	s.answerAccess(`{"ok":true,"access_token":"` + text + `","app_id":"A0NEW","bot_user_id":"U1","scope":"chat:write,users:read,users:read.email","team":{"id":"` + teams[0] + `","name":"W"},"authed_user":{"id":"U0MARIE"}}`)
}

// guest makes Slack say that whoever installs is one.
func (s *site) guest() {
	s.answer("users.info", `{"ok":true,"user":{"id":"U0PAUL","team_id":"`+teams[0]+`","real_name":"Paul Martin","is_restricted":true}}`)
}

func (s *site) answerAccess(body string) { s.answer("oauth.v2.access", body) }

// answer makes the next call of a method answer that.
func (s *site) answer(method, body string) {
	s.slack.Fault(slacksim.Fault{Method: method, Kind: slacksim.Custom, Times: 1, Answer: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, body)
	}})
}

// refuse makes the next call of a method fail by that name.
func (s *site) refuse(method, name string) {
	s.slack.Fault(slacksim.Fault{Method: method, Kind: slacksim.ErrorCode, Error: name, Times: 1})
}

// TestSetupWithoutBot: an app that people only sign in by needs no installation; the
// configuration says which workspace it is for.
func TestSetupWithoutBot(t *testing.T) {
	eachSite(t, func(t *testing.T, s *site) {
		b := s.admin()
		if page := b.get(s.at + "?step=2"); strings.Contains(page.text, "Install") {
			t.Errorf("the steps name an installation: %s", page.text)
		}
		if got := b.fill(s.at+"/secrets", secrets()); got.StatusCode != 303 {
			t.Fatalf("the credentials: %d %s", got.StatusCode, got.text)
		}
		if st := s.status(); !st.InForce || st.Workspace != teams[0] || st.InstalledBy != "" {
			t.Errorf("the status is %+v", st)
		}
		if page := b.get(s.at); !strings.Contains(page.text, `id="sign-in"`) || strings.Contains(page.text, `id="tell"`) {
			t.Errorf("the last step: %s", page.text)
		}
		if got := b.get(s.at + "/install"); got.StatusCode != 303 {
			t.Errorf("installed all the same: %d", got.StatusCode)
		}
		if got := s.browser().signIn(s.routes[0].Origin+"/dossiers", teams[0], "U0PAUL"); got.Header.Get("Location") != s.routes[0].Origin+"/dossiers" {
			t.Errorf("a sign-in: %d %s", got.StatusCode, got.text)
		}
		s.silent()
	}, func(c *gateway.Config) {
		rt := &c.Routes[0]
		rt.Manifest.OAuth.Scopes.Bot, rt.Manifest.Features.Bot = nil, nil
		rt.Workspace, rt.Login, rt.Notify, rt.WantsHookToken = teams[0], &gateway.Login{Guests: "allow"}, nil, false
	})
}

// TestManagedNeedsBot: an app without a bot, on a route that has come to need one,
// lets nobody in: nobody could tell guests.
func TestManagedNeedsBot(t *testing.T) {
	s := newSite(t, nil, func(c *gateway.Config) {
		rt := &c.Routes[0]
		rt.Workspace = teams[0]
		rt.SlackApp = gateway.SlackApp{Managed: true, ClientID: newClientID, ClientSecret: newClientSecret}
	})
	if got := s.browser().get(s.routes[0].Origin + "/dossiers"); got.StatusCode != 503 || !strings.Contains(got.text, "not connected") {
		t.Errorf("%d %s", got.StatusCode, got.text)
	}
}
