package gateway

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// RouteInfo is what an operator is told of a route. It holds no secret.
type RouteInfo struct {
	Host          string `json:"host"`
	Origin        string `json:"origin"` // how browsers name it
	Login         bool   `json:"login"`
	Notify        bool   `json:"notify"`
	Managed       bool   `json:"managed"`            // the workspace's own admin sets its Slack app up
	Upstream      string `json:"upstream,omitempty"` // the app's URL; missing: another proxy carries requests to it, or there is none
	Workspace     string `json:"workspace,omitempty"`
	WorkspaceName string `json:"workspace_name,omitempty"`
	Maintenance   bool   `json:"maintenance"` // people see a page instead of the app
}

// RouteInfos lists all routes, by host. It asks nobody.
func (g *Gateway) RouteInfos() []RouteInfo {
	routes := g.routes()
	list := make([]RouteInfo, 0, len(routes))
	for _, host := range slices.Sorted(maps.Keys(routes)) {
		rt := routes[host]
		one := RouteInfo{
			Host: host, Origin: rt.Origin, Login: rt.Login != nil, Notify: rt.Notify != nil, Managed: rt.SlackApp.Managed,
			Workspace: rt.Workspace, WorkspaceName: rt.WorkspaceName, Maintenance: rt.Maintenance != nil && rt.Maintenance.On,
		}
		if rt.Upstream != nil {
			one.Upstream = rt.Upstream.Target()
		}
		list = append(list, one)
	}
	return list
}

// restFactor is how much longer than a count took its answer is given again.
const restFactor = 10

// lastCount is the last answer of SessionCount, and until when it is good.
type lastCount struct {
	mu    sync.Mutex
	n     int
	until time.Time
}

// SessionCount is how many sessions are not over. An answer is given again for
// ten times as long as the counting took.
func (g *Gateway) SessionCount(ctx context.Context) (int, error) {
	c := &g.counted
	c.mu.Lock()
	defer c.mu.Unlock()
	start := time.Now()
	if start.Before(c.until) {
		return c.n, nil
	}
	n, err := g.CountSessions(ctx, SessionQuery{})
	if err != nil {
		return 0, err
	}
	c.n, c.until = n, time.Now().Add(restFactor*time.Since(start))
	return n, nil
}

// CountSessions is how many sessions that are not over a query selects; its
// Cursor and Limit count for nothing.
func (g *Gateway) CountSessions(ctx context.Context, q SessionQuery) (n int, err error) {
	if err := g.knowsRoute(q.Route); err != nil {
		return 0, err
	}
	now := g.cfg.Now()
	where, args := whose{route: q.Route, person: q.Person, all: true}.where(3)
	err = g.cfg.Store.Read().QueryRowContext(ctx, `SELECT COUNT(*) FROM session WHERE expires_at > $1 AND seen_at > $2 AND `+where,
		append([]any{now.UnixMilli(), now.Add(-g.conf.times().Idle).UnixMilli()}, args...)...).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count sessions: %w", err)
	}
	return n, nil
}

// Advice is what an alarm means and what to do about it, in sentences for
// operators.
func (a Alarm) Advice() (meaning, remedy string) {
	switch a.Kind {
	case "people":
		return "Slack cannot be asked about the route's people; what it said last holds for a time.",
			"Give the bot the scopes users:read and users:read.email, under OAuth & Permissions, and install the app to the workspace again."
	case "usergroups":
		return "Who is in which usergroup is unknown, so that rules for usergroups deny.",
			"Give the bot the scope usergroups:read, under OAuth & Permissions, and install the app to the workspace again. Usergroups need a paid plan."
	case "unchecked":
		return "Slack could not be asked about anybody for long; soon nobody is let in on old news.",
			"See whether Slack answers from the gateway's machine; break-glass lets people in meanwhile."
	case "bot_revoked":
		return "Slack says that the bot token was revoked.", "Install the app to the workspace again, put the new bot token into the configuration, and reload."
	case "app_uninstalled":
		return "Slack says that the app was uninstalled from the workspace.", "Have an admin of the workspace install it again; then put the new bot token into the configuration, and reload."
	case alarmFlood:
		return "Somebody tries too often what fails (" + a.Reason + "), and is held back; whoever has a session or a good credential passes.",
			"The log names the addresses once a minute: block them in front of the gateway if it lasts. Where one of them is your own proxy's, name it in trusted_proxies."
	}
	return "The route needs an operator.", "See in the log what was said of it."
}
