package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// kept is how much of secrets the store has for the first route's host, in bytes.
func (s *site) kept() (bytes int) {
	s.t.Helper()
	if err := s.store.Read().QueryRow(`SELECT COALESCE(SUM(length(sealed)), 0) FROM slack_app WHERE route = $1`, host).Scan(&bytes); err != nil {
		s.t.Fatal(err)
	}
	return bytes
}

// dropRoute puts a configuration in force without the route that is set up.
func (s *site) dropRoute() {
	s.t.Helper()
	next := s.config
	next.Routes = next.Routes[1:]
	apply, err := s.gateway.Prepare(next)
	if err != nil {
		s.t.Fatal(err)
	}
	apply()
}

// TestSecretsOutliveRoute: what is kept for a route that is gone can be found and
// removed, and nothing else can be by that.
func TestSecretsOutliveRoute(t *testing.T) {
	eachSite(t, func(t *testing.T, s *site) {
		s.installed()
		s.dropRoute()
		s.config.Routes = s.config.Routes[1:]
		hosts, err := gateway.AppHosts(t.Context(), s.store)
		if err != nil || len(hosts) != 1 || hosts[0] != host || s.kept() == 0 {
			t.Fatalf("kept for %q, %d bytes, %v", hosts, s.kept(), err)
		}
		if err := s.gateway.ResetSetup(t.Context(), "none.example", "lea"); !errors.Is(err, gateway.ErrSetup) {
			t.Errorf("of a host that never was: %v", err)
		}
		wrong := s.routes[1].Host
		if err := s.gateway.ResetSetup(t.Context(), wrong, "lea"); !errors.Is(err, gateway.ErrSetup) {
			t.Errorf("of a route with an app in the configuration: %v", err)
		}
		if _, err := s.apps.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.gateway.ResetSetup(t.Context(), host, "lea"); err != nil {
			t.Fatal(err)
		}
		if err := s.gateway.ResetSetup(t.Context(), host, "lea"); !errors.Is(err, gateway.ErrSetup) {
			t.Errorf("twice: %v", err)
		}
		if hosts, err = gateway.AppHosts(t.Context(), s.store); err != nil || len(hosts) != 0 || s.kept() != 0 {
			t.Errorf("after the reset: kept for %q, %d bytes, %v", hosts, s.kept(), err)
		}
		if apps, err := s.apps.Read(t.Context()); err != nil || apps[host].HookToken != "" || apps[host].App.ClientID != "" {
			t.Errorf("after the reset: %+v %v", apps[host], err)
		}
		if deeds := s.deeds(); deeds[len(deeds)-1] != "lea setup.reset" {
			t.Errorf("the audit has %q", deeds)
		}
	})
}

// TestExpiredLinkForgets: what was typed and never installed does not outlive its link.
func TestExpiredLinkForgets(t *testing.T) {
	eachSite(t, func(t *testing.T, s *site) {
		s.pasted()
		typed := func() (n int) {
			if err := s.store.Read().QueryRow(`SELECT COUNT(*) FROM link WHERE kind = 'setup' AND detail LIKE '%typed%'`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		must(t, s.gateway.Prune(t.Context()))
		if typed() != 1 {
			t.Fatal("nothing is kept while the link is good")
		}
		s.lose(25 * time.Hour)
		must(t, s.gateway.Prune(t.Context()))
		if got := s.status().Link.State; typed() != 0 || got != "expired" {
			t.Errorf("%d links have what was typed; the last one is %s", typed(), got)
		}
	})
}

// TestInstallMeanwhile: what happens while Slack is asked about an installation
// counts, and nothing of the installation does.
func TestInstallMeanwhile(t *testing.T) {
	for name, row := range map[string]struct {
		act    func(t *testing.T, s *site, link string)
		status int
	}{
		"revoked": {func(t *testing.T, s *site, _ string) {
			must(t, s.gateway.RevokeSetup(context.Background(), host, "lea"))
		}, 410},
		"another link was made":   {func(_ *testing.T, s *site, _ string) { s.setupLink() }, 410},
		"taken by another":        {func(_ *testing.T, s *site, link string) { s.browser().fill(link+"&take=1", nil) }, 409},
		"the link has expired":    {func(_ *testing.T, s *site, _ string) { s.lose(25 * time.Hour) }, 410},
		"the route was taken out": {func(_ *testing.T, s *site, _ string) { s.dropRoute() }, 404},
	} {
		t.Run(name, func(t *testing.T) {
			eachSite(t, func(t *testing.T, s *site) {
				link, b := s.setupLink(), s.browser()
				b.fill(link, nil)
				if got := b.fill(s.at+"/secrets", secrets()); got.StatusCode != 303 {
					t.Fatalf("the credentials: %d %s", got.StatusCode, got.text)
				}
				s.slack.Fault(slacksim.Fault{Method: "oauth.v2.access", Kind: slacksim.Custom, Times: 1, Answer: func(w http.ResponseWriter, _ *http.Request) {
					row.act(t, s, link)
					w.Header().Set("Content-Type", "application/json")
					fmt.Fprintf(w, `{"ok":true,"access_token":"xoxb-stray","app_id":"A0NEW","bot_user_id":"U1","scope":"chat:write,users:read,users:read.email","team":{"id":%q,"name":"W"},"authed_user":{"id":"U0MARIE"}}`, teams[0])
				}})
				s.answer("auth.test", `{"ok":true,"team_id":"`+teams[0]+`","user_id":"U1"}`)
				s.answer("users.info", `{"ok":true,"user":{"id":"U0MARIE","is_admin":true}}`)
				if got := s.install(b, teams[0], "U0MARIE"); got.StatusCode != row.status {
					t.Errorf("answered %d %s", got.StatusCode, got.text)
				}
				if apps, err := s.apps.Read(t.Context()); err != nil || apps[host].App.BotToken != "" || apps[host].Workspace != "" {
					t.Errorf("in force: %+v, %v", apps[host], err)
				}
				s.silent()
			})
		})
	}
}

// TestHostileWorkspaceName: a workspace is called what its admins like; on pages it
// is a text like others, which turns nothing round.
func TestHostileWorkspaceName(t *testing.T) {
	s := newSite(t, nil)
	b := s.pasted()
	name := `</title><script>alert(1)</script> {{.}} {detail} \u202egro.live\u2066 \u001b[2J\u009b1m\u2028` + strings.Repeat("x", 300)
	s.answerAccess(`{"ok":true,"access_token":"xoxb-stray","app_id":"A0NEW","bot_user_id":"U1","scope":"chat:write,users:read,users:read.email","team":{"id":"` + teams[0] + `","name":"` + name + `"},"authed_user":{"id":"U0MARIE"}}`)
	s.answer("auth.test", `{"ok":true,"team_id":"`+teams[0]+`","user_id":"U1"}`)
	s.answer("users.info", `{"ok":true,"user":{"id":"U0MARIE","team_id":"`+teams[0]+`","is_admin":true}}`)
	if got := s.install(b, teams[0], "U0MARIE"); got.StatusCode != 303 {
		t.Fatalf("answered %d %s", got.StatusCode, got.text)
	}
	pages := b.get(s.at).text + b.get(s.at+"?step=3").text + s.browser().get(s.routes[0].Origin+"/.gateway/login").text + s.status().WorkspaceName
	for _, bad := range []string{"<script>", "\u202e", "\u2066", "\x1b", "\u009b", "\u2028", strings.Repeat("x", 100)} {
		if strings.Contains(strings.ReplaceAll(pages, s.status().WorkspaceName, ""), bad) || bad != "<script>" && strings.Contains(pages, bad) {
			t.Errorf("%q is shown", bad)
		}
	}
}

// TestTwoInstallAtOnce: two tabs finish with two workspaces at the same moment; one
// of them pins the route, and what is kept is all of one.
func TestTwoInstallAtOnce(t *testing.T) {
	eachSite(t, func(t *testing.T, s *site) {
		b := s.pasted()
		first := b.get(s.at + "/install")
		both := make(chan int, 2)
		var underWay sync.WaitGroup
		underWay.Add(2)
		for _, team := range []string{teams[0], teams[1]} {
			s.slack.Fault(slacksim.Fault{Method: "oauth.v2.access", Kind: slacksim.Custom, Times: 1, Answer: func(w http.ResponseWriter, _ *http.Request) {
				underWay.Done()
				underWay.Wait()
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprintf(w, `{"ok":true,"access_token":"xoxb-%s","app_id":"A0NEW","bot_user_id":"U%[1]s","scope":"chat:write,users:read,users:read.email","team":{"id":%[1]q,"name":"W"},"authed_user":{"id":"U0MARIE"}}`, team)
			}})
		}
		s.slack.Fault(slacksim.Fault{Method: "auth.test", Kind: slacksim.Custom, Times: 2, Answer: func(w http.ResponseWriter, r *http.Request) {
			team := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer xoxb-")
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"ok":true,"team_id":%q,"user_id":"U%[1]s"}`, team)
		}})
		s.answer("users.info", `{"ok":true,"user":{"id":"U0MARIE","is_admin":true}}`)
		s.answer("users.info", `{"ok":true,"user":{"id":"U0MARIE","is_admin":true}}`)
		backs := []string{b.pick(first.Header.Get("Location"), teams[0], "U0MARIE").Header.Get("Location"),
			b.pick(b.get(s.at+"/install").Header.Get("Location"), teams[0], "U0MARIE").Header.Get("Location")}
		for _, back := range backs {
			go func() { both <- b.get(back).StatusCode }()
		}
		got := []int{<-both, <-both}
		apps, err := s.apps.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		app := apps[host]
		if got[0]+got[1] != 303+403 || app.Workspace == "" || app.App.BotToken.Reveal() != "xoxb-"+app.Workspace {
			t.Errorf("answered %v; in force is %s with the token %s", got, app.Workspace, app.App.BotToken.Reveal())
		}
	})
}
