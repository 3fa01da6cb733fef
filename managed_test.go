package main

import (
	"testing"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/notifyhook"
)

// TestManaged: what was set up counts where the configuration leaves it to that,
// and as far as it does.
func TestManaged(t *testing.T) {
	installed := gateway.ManagedApp{
		App:       gateway.SlackApp{ClientID: "1.2", ClientSecret: "s", BotToken: "xoxb-1", SigningSecret: "s", Managed: true},
		Workspace: "T0AGRAF001", WorkspaceName: "Agrafmania", HookToken: "cgh_1",
	}
	token := notifyhook.Credential{Value: "ck_agrafmania_xxx"}
	for name, row := range map[string]struct {
		route        configs.Route
		client, team string
		called       string
		credentials  int
		wantsToken   bool
	}{
		"set up":            {configs.Route{SlackApp: gateway.SlackApp{Managed: true}, Notify: &notifyhook.Settings{}}, "1.2", "T0AGRAF001", "Agrafmania", 1, true},
		"not managed":       {configs.Route{SlackApp: gateway.SlackApp{ClientID: "3.4"}, Workspace: "T1", Notify: &notifyhook.Settings{}}, "3.4", "T1", "", 0, false},
		"pinned to it":      {configs.Route{SlackApp: gateway.SlackApp{Managed: true}, Workspace: "T0AGRAF001", WorkspaceName: "Ours"}, "1.2", "T0AGRAF001", "Ours", 0, false},
		"pinned to another": {configs.Route{SlackApp: gateway.SlackApp{Managed: true}, Workspace: "T1"}, "", "T1", "", 0, false},
		"a token is there":  {configs.Route{SlackApp: gateway.SlackApp{Managed: true}, Notify: &notifyhook.Settings{BearerTokens: []notifyhook.Credential{token}}}, "1.2", "T0AGRAF001", "Agrafmania", 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			row.route.Host = "a.example"
			before := row.route
			got := managed(&configs.Config{Routes: []configs.Route{row.route}}, map[string]gateway.ManagedApp{"a.example": installed}).Routes[0]
			if got.SlackApp.ClientID != row.client || got.Workspace != row.team || got.WorkspaceName != row.called {
				t.Errorf("got %s %s %s", got.SlackApp.ClientID, got.Workspace, got.WorkspaceName)
			}
			if got.Notify != nil && len(got.Notify.BearerTokens) != row.credentials {
				t.Errorf("%d credentials", len(got.Notify.BearerTokens))
			}
			if row.wantsToken && got.Notify.BearerTokens[0].Value != secret.String("cgh_1") {
				t.Error("another token")
			}
			if wantsHookToken(&got) != row.wantsToken || wantsHookToken(&before) != row.wantsToken {
				t.Errorf("wants a token: %t, and laid over: %t", wantsHookToken(&before), wantsHookToken(&got))
			}
			if before.Notify != nil && row.route.Notify != before.Notify {
				t.Error("the configuration itself was changed")
			}
		})
	}
}
