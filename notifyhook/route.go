package notifyhook

import (
	"cmp"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/secret"
)

// Route is a host with notifications.
type Route struct {
	Host      string // as the gateway routes by: lower case, no port
	Workspace string // Slack team id; may be empty
	BotToken  secret.String
	Settings  Settings
}

// route is a Route ready to serve.
type route struct {
	Settings  // with defaults
	host      string
	workspace string // Slack team id; may be empty
	scheme    string // of links to the route's own host
	creds     credentials
	hooks     map[string]hook // by id
	templates templates
	fallback  []string // in their one spelling; for requests that name none
	app       *app
	counters  *routeCounters // nil: nothing is counted
}

// newRoute makes a route, but for its app.
func newRoute(one Route, scheme string) (*route, error) {
	rt := &route{Settings: one.Settings, host: one.Host, workspace: one.Workspace, scheme: scheme, fallback: one.Settings.fallback()}
	rt.Lang = cmp.Or(rt.Lang, french)
	rt.Limits.Backlog = rt.Limits.MaxOpen()
	rt.Retention = one.Settings.retention()
	var err error
	if rt.creds, err = newCredentials(one.Host, one.Settings); err != nil {
		return nil, err
	}
	if rt.templates, err = newTemplates(one.Settings.Templates); err != nil {
		return nil, err
	}
	if rt.hooks, err = newHooks(one.Host, one.Settings.Hooks); err != nil {
		return nil, err
	}
	return rt, nil
}

// app is a Slack app. Routes with one bot token share it: its lanes, its limits
// and its troubles.
type app struct {
	slackApp
	conf  *configured // that it is part of
	name  string      // the first host of those routes: it outlives a change of the token
	first *route      // stands in for routes that are not configured any more
	hosts []string    // of all of them
	since time.Time   // this process knows it
}
