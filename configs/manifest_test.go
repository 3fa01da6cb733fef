package configs_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/configs"
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
		"login that lets guests in":   {"workspace: T1, slack_app: {client_id: c, client_secret: s}, login: {guests: allow}", true, back, "openid email profile", "", "", false},
		"login":                       {"workspace: T1, slack_app: {" + app + "}, login: {}", true, back, "openid email profile", login, people, false},
		"login by usergroups":         {"workspace: T1, slack_app: {" + app + "}, login: {callback: /cb}" + policy, false, "https://a.cocoom.com/cb", "openid email profile", login + " usergroups:read", people + groups, false},
		"notifications":               {"workspace: T1, slack_app: {bot_token: xoxb-1}" + hook, false, "", "", notify, people, true},
		"all of notifications":        {"workspace: T1, slack_app: {bot_token: xoxb-1}" + hook, true, "", "", notify + " groups:read channels:history groups:history im:history channels:join chat:write.customize", people, true},
		"both":                        {"workspace: T1, slack_app: {" + app + "}, login: {}" + hook + policy, false, back, "openid email profile", notify + " usergroups:read", people + groups, true},
		"managed login":               {"workspace: T1, slack_app: {managed: true}, login: {}", false, back + " https://a.cocoom.com/.gateway/setup/installed", "openid email profile", login, people, false},
		"managed login of anybody":    {"workspace: T1, slack_app: {managed: true}, login: {guests: allow}", false, back + " https://a.cocoom.com/.gateway/setup/installed", "openid email profile", "", "", false},
		"and of an unknown workspace": {"slack_app: {managed: true}, login: {guests: allow}", false, back + " https://a.cocoom.com/.gateway/setup/installed", "openid email profile", login, people, false},
		"but a rule asks more":        {"workspace: T1, slack_app: {managed: true}, login: {guests: allow}, policy: [{path: /**, allow: {admins: true}}]", false, back + " https://a.cocoom.com/.gateway/setup/installed", "openid email profile", login, people, false},
		"managed notifications":       {"workspace: T1, slack_app: {managed: true}, notify: {}", false, "https://a.cocoom.com/.gateway/setup/installed", "", notify, people, true},
	} {
		cfg, err := configs.Load(write(t, "gateway.yaml", "routes: [{host: a.cocoom.com, "+row.route+upstreamOf(row.route)+"}]"), none)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		m := cfg.Manifest(&cfg.Routes[0], row.optional)
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
