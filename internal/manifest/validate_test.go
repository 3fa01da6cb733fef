package manifest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/manifest"
)

func good() manifest.Manifest {
	return manifest.New(manifest.Spec{
		RedirectURLs: []string{"https://a.cocoom.com/.gateway/callback", "https://a.cocoom.com/.gateway/setup/installed"},
		UserScopes:   []string{"openid", "email", "profile"}, BotScopes: []string{"chat:write"}, Notifies: true,
		EventsURL: "https://a.cocoom.com/.gateway/slack/events", Events: []string{"user_change"},
	})
}

func TestValidate(t *testing.T) {
	long := strings.Repeat("é", 141)
	many := func(n int) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprint("https://a.cocoom.com/", i))
		}
		return all
	}
	for name, row := range map[string]struct {
		change func(*manifest.Manifest)
		want   string // empty: it is good
	}{
		"as it is":             {func(*manifest.Manifest) {}, ""},
		"140 letters":          {func(m *manifest.Manifest) { m.Display.Description = long[:280] }, ""},
		"141 letters":          {func(m *manifest.Manifest) { m.Display.Description = long }, "/display_information/description"},
		"no name":              {func(m *manifest.Manifest) { m.Display.Name = "" }, "/display_information/name"},
		"a long name":          {func(m *manifest.Manifest) { m.Display.Name = long[:72] }, "/display_information/name"},
		"a colour's name":      {func(m *manifest.Manifest) { m.Display.BackgroundColor = "red" }, "/display_information/background_color"},
		"a short colour":       {func(m *manifest.Manifest) { m.Display.BackgroundColor = "#abc" }, ""},
		"four digits":          {func(m *manifest.Manifest) { m.Display.BackgroundColor = "#abcd" }, "/display_information/background_color"},
		"a bot with a capital": {func(m *manifest.Manifest) { m.Features.Bot.DisplayName = "Cocoom" }, "/features/bot_user/display_name"},
		"a bot without a name": {func(m *manifest.Manifest) { m.Features.Bot.DisplayName = "" }, "/features/bot_user/display_name"},
		"scopes without a bot": {func(m *manifest.Manifest) { m.Features.Bot = nil }, "/oauth_config/scopes/bot"},
		"a bot without scopes": {func(m *manifest.Manifest) { m.OAuth.Scopes.Bot = nil }, "/oauth_config/scopes/bot"},
		"a long scope":         {func(m *manifest.Manifest) { m.OAuth.Scopes.User[0] = long[:102] }, "/oauth_config/scopes/user/0"},
		"many scopes":          {func(m *manifest.Manifest) { m.OAuth.Scopes.User = many(256) }, "/oauth_config/scopes/user:"},
		"many redirects":       {func(m *manifest.Manifest) { m.OAuth.RedirectURLs = many(1001) }, "/oauth_config/redirect_urls:"},
		"http":                 {func(m *manifest.Manifest) { m.OAuth.RedirectURLs[0] = "http://a.cocoom.com/" }, "/oauth_config/redirect_urls/0: must be https"},
		"http of this machine": {func(m *manifest.Manifest) { m.OAuth.RedirectURLs[0] = "http://a.localhost:8080/" }, ""},
		"a fragment":           {func(m *manifest.Manifest) { m.OAuth.RedirectURLs[1] = "https://a.cocoom.com/#" }, "/oauth_config/redirect_urls/1: may have no fragment"},
		"a path alone":         {func(m *manifest.Manifest) { m.OAuth.RedirectURLs[1] = "/callback" }, "/oauth_config/redirect_urls/1: is no address"},
		"twice":                {func(m *manifest.Manifest) { m.OAuth.RedirectURLs[1] = m.OAuth.RedirectURLs[0] }, "/oauth_config/redirect_urls/1: stands there twice"},
		"a long address":       {func(m *manifest.Manifest) { m.OAuth.RedirectURLs[0] += strings.Repeat("x", 2500) }, "/oauth_config/redirect_urls/0"},
		"events for nobody":    {func(m *manifest.Manifest) { m.Settings.Events.RequestURL = "" }, "/settings/event_subscriptions: requires either Request URL or Socket Mode Enabled"},
		"an event twice":       {func(m *manifest.Manifest) { m.Settings.Events.BotEvents = []string{"a", "a"} }, "/settings/event_subscriptions/bot_events/1"},
	} {
		m := good()
		row.change(&m)
		if err := m.Validate(); (err == nil) != (row.want == "") || err != nil && !strings.HasPrefix(err.Error(), row.want) {
			t.Errorf("%s: got %v, want %q", name, err, row.want)
		}
	}
}

// TestLinkPerSlack: the page lies where that Slack has it.
func TestLinkPerSlack(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://slack.com": "https://api.slack.com/apps?", "https://slack-gov.com/": "https://api.slack-gov.com/apps?",
		"http://localhost:8081": "http://localhost:8081/apps?", "https://slack.example/base": "https://slack.example/apps?",
	} {
		if link, err := good().Link(issuer); err != nil || !strings.HasPrefix(link, want) || strings.Contains(link, "+") {
			t.Errorf("%s: got %s, %v", issuer, link, err)
		}
	}
	if link, err := good().Link("slack.com"); err == nil {
		t.Errorf("no address: got %s", link)
	}
}
