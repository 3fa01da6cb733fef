package gateway

import "github.com/cocoom/cocoom-gateway/internal/slackapi"

// UserScopes are those that a sign-in asks of each person
// (https://docs.slack.dev/authentication/sign-in-with-slack).
func UserScopes() []string { return []string{"openid", "email", "profile"} }

// BotScopes are the bot scopes that a route with login makes use of, if its
// Slack app has a bot (https://docs.slack.dev/reference/scopes). usergroups says
// whether the route's policy names any.
func BotScopes(usergroups bool) []slackapi.Scope {
	scopes := []slackapi.Scope{
		{Name: "users:read", Breaks: "sign-in: who is a guest, an admin or deactivated cannot be asked"},
		{Name: "users:read.email", Breaks: "changes of people's e-mail addresses, until they sign in again"},
	}
	if usergroups {
		scopes = append(scopes, slackapi.Scope{Name: "usergroups:read", Breaks: "rules that name usergroups: they deny"})
	}
	return scopes
}

// BotEvents are those of Slack's events that a route with a bot makes use of
// (https://docs.slack.dev/reference/events). usergroups says whether its policy
// names any.
func BotEvents(usergroups bool) []string {
	all := []string{"user_change", "team_join", "tokens_revoked", "app_uninstalled"}
	if usergroups {
		all = append(all, "subteam_created", "subteam_updated", "subteam_members_changed")
	}
	return all
}
