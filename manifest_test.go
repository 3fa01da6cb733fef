package main

import (
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// TestManifestPerFunction: an app asks for what its route makes use of, and for
// nothing else.
func TestManifestPerFunction(t *testing.T) {
	const (
		login  = "users:read users:read.email"
		notify = "chat:write chat:write.public users:read.email users:read im:write channels:read"
		people = "user_change team_join tokens_revoked app_uninstalled"
		groups = " subteam_created subteam_updated subteam_members_changed"
		app    = "client_id: c, client_secret: s, bot_token: xoxb-1"
		hook   = ", notify: {bearer_tokens: [ck_0123456789abcdef]}"
		policy = ", policy: [{path: /**, allow: {usergroups: [admins]}}]"
		back   = "https://a.cocoom.com/.gateway/callback"
	)
	for name, row := range map[string]struct {
		route                      string
		optional                   bool
		redirects, user, bot, heed string
		messages                   bool
	}{
		"login that lets guests in": {"slack_app: {client_id: c, client_secret: s}, login: {guests: allow}", true, back, "openid email profile", "", "", false},
		"login":                     {"slack_app: {" + app + "}, login: {}", true, back, "openid email profile", login, people, false},
		"login by usergroups":       {"slack_app: {" + app + "}, login: {callback: /cb}" + policy, false, "https://a.cocoom.com/cb", "openid email profile", login + " usergroups:read", people + groups, false},
		"notifications":             {"slack_app: {bot_token: xoxb-1}" + hook, false, "", "", notify, people, true},
		"all of notifications":      {"slack_app: {bot_token: xoxb-1}" + hook, true, "", "", notify + " groups:read channels:history groups:history im:history channels:join chat:write.customize", people, true},
		"both":                      {"slack_app: {" + app + "}, login: {}" + hook + policy, false, back, "openid email profile", notify + " usergroups:read", people + groups, true},
		"managed login":             {"slack_app: {managed: true}, login: {}", false, back + " https://a.cocoom.com/.gateway/setup/installed", "openid email profile", login, people, false},
		"managed login of anybody":  {"slack_app: {managed: true}, login: {guests: allow}", false, back + " https://a.cocoom.com/.gateway/setup/installed", "openid email profile", "", "", false},
		"managed notifications":     {"slack_app: {managed: true}, notify: {}", false, "https://a.cocoom.com/.gateway/setup/installed", "", notify, people, true},
	} {
		file := writeFile(t, "gateway.yaml", []byte("routes: [{host: a.cocoom.com, workspace: T1, "+row.route+upstreamOf(row.route)+"}]"))
		cfg, err := configs.Load(file, func(string) string { return "" })
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		m := manifestOf(cfg, &cfg.Routes[0], row.optional)
		heed := ""
		if e := m.Settings.Events; e != nil {
			heed = strings.Join(e.BotEvents, " ")
			if e.RequestURL != "https://a.cocoom.com/.gateway/slack/events" {
				t.Errorf("%s: events go to %s", name, e.RequestURL)
			}
		}
		got := []string{strings.Join(m.OAuth.RedirectURLs, " "), strings.Join(m.OAuth.Scopes.User, " "), strings.Join(m.OAuth.Scopes.Bot, " "), heed}
		if want := []string{row.redirects, row.user, row.bot, row.heed}; !slices.Equal(got, want) || m.Features.Home.MessagesTab != row.messages {
			t.Errorf("%s: got %q, want %q; messages tab %t", name, got, want, m.Features.Home.MessagesTab)
		}
		if err := m.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// upstreamOf gives a route with login its app.
func upstreamOf(route string) string {
	if strings.Contains(route, "login:") {
		return ", upstream: http://127.0.0.1:1"
	}
	return ""
}

// TestManifestsOfExamples: Slack would take the app of every route there is an
// example of.
func TestManifestsOfExamples(t *testing.T) {
	files, err := filepath.Glob("configs/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	slack, err := slacksim.New(slacksim.Config{BaseURL: "https://slack.test", NoMethodLimit: true})
	if err == nil {
		err = slack.AddWorkspace(slacksim.Workspace{ID: "T1", People: []slacksim.Person{{ID: "U1"}}})
	}
	if err != nil {
		t.Fatal(err)
	}
	token := slack.ConfigToken("T1", "U1")
	for _, file := range files {
		cfg, err := configs.Load(file, exampleEnvironment)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		for i := range cfg.Routes {
			m := manifestOf(cfg, &cfg.Routes[i], true)
			if err := m.Validate(); err != nil {
				t.Errorf("%s: %s: %v", file, cfg.Routes[i].Host, err)
			}
			text, err := m.JSON()
			if err != nil {
				t.Fatal(err)
			}
			call := httptest.NewRequest("POST", "/api/apps.manifest.validate", strings.NewReader(url.Values{"token": {token}, "manifest": {string(text)}}.Encode()))
			call.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			answer := httptest.NewRecorder()
			if slack.ServeHTTP(answer, call); answer.Body.String() != `{"ok":true}` {
				t.Errorf("%s: %s: slack answers %s", file, cfg.Routes[i].Host, answer.Body)
			}
		}
	}
}

// TestManifestBeforeThereAreSecrets: the secrets come from the app that is made
// from the manifest, so it cannot take them.
func TestManifestBeforeThereAreSecrets(t *testing.T) {
	files, err := filepath.Glob("configs/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		whole, err := configs.Load(file, exampleEnvironment)
		if err != nil {
			t.Fatal(err)
		}
		for i := range whole.Routes {
			r := &whole.Routes[i]
			want, err := manifestOf(whole, r, false).YAML()
			if err != nil {
				t.Fatal(err)
			}
			var stdout, stderr strings.Builder
			code := run(t.Context(), []string{"manifest", "-c", file, r.Host}, func(string) string { return "" }, &stdout, &stderr)
			if code != 0 || stdout.String() != string(want) {
				t.Errorf("%s: %s: exit code %d, %s%s", file, r.Host, code, stderr.String(), stdout.String())
			}
		}
	}
}

// exampleEnvironment has every variable that the example files name.
func exampleEnvironment(name string) string {
	switch name {
	case "GATEWAY_MASTER_KEY":
		return strings.Repeat("A", 43) + "="
	case "DATABASE_URL":
		return "postgres://gateway:hunter2@10.0.0.5/gateway"
	}
	if strings.HasSuffix(name, "_HOOK_SECRET") {
		return "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" + strings.Repeat("A", len(name)/4*4)
	}
	return "xoxb-of-" + name + "-0123456789abcdef"
}
