package configs

import (
	"slices"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/manifest"
	"github.com/cocoom/cocoom-gateway/notifyhook"
	"github.com/cocoom/cocoom-gateway/policy"
)

// Manifest is that of the Slack app that a route needs: exactly what its
// functions make use of. optional adds the optional scopes of notifications.
func (c *Config) Manifest(r *Route, optional bool) manifest.Manifest {
	pages, groups := c.Origin(r.Host)+c.ReservedPrefix, namesUsergroups(r)
	s := manifest.Spec{Notifies: r.Notify != nil}
	if r.Login != nil {
		s.RedirectURLs = append(s.RedirectURLs, c.RedirectURL(r))
		s.UserScopes = gateway.UserScopes()
	}
	if r.SlackApp.Managed {
		s.RedirectURLs = append(s.RedirectURLs, pages+"/setup/installed")
	}
	add := func(scope string) {
		if !slices.Contains(s.BotScopes, scope) {
			s.BotScopes = append(s.BotScopes, scope)
		}
	}
	if r.Notify != nil {
		for _, scope := range notifyhook.Scopes() {
			if optional || !scope.Optional {
				add(scope.Name)
			}
		}
	}
	if r.Login != nil && (r.SlackApp.Managed && needsBot(r) || r.SlackApp.BotToken != "" || r.Notify != nil) {
		for _, scope := range gateway.BotScopes(groups) {
			add(scope.Name)
		}
	}
	if len(s.BotScopes) > 0 {
		s.EventsURL = pages + "/slack/events"
		s.Events = gateway.BotEvents(r.Login != nil && groups)
	}
	return manifest.New(s)
}

// RedirectURL is where Slack sends people back to who sign in to a route, or
// would if it had a login.
func (c *Config) RedirectURL(r *Route) string {
	var login gateway.Login
	if r.Login != nil {
		login = *r.Login
	}
	return c.Origin(r.Host) + login.CallbackPath(c.ReservedPrefix)
}

// needsBot reports whether the app of a route with login alone has to be installed:
// guests, admins and usergroups are told by a bot, and the workspace, where the
// configuration does not name it, by the installation.
func needsBot(r *Route) bool {
	return r.Workspace == "" || r.Login.Guests != "allow" || namesUsergroups(r) ||
		slices.ContainsFunc(r.Policy, func(rule policy.Rule) bool { return rule.Allow.Admins || rule.Allow.Guests })
}

// namesUsergroups reports whether the route's policy names any.
func namesUsergroups(r *Route) bool {
	return slices.ContainsFunc(r.Policy, func(rule policy.Rule) bool { return len(rule.Allow.Usergroups) > 0 })
}
