package admin

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/notifyhook"
)

const (
	defaultRoutes = 50
	maxRoutes     = 200
)

var (
	errNoRoute = errors.New("there is no such route")
	errNoPage  = errors.New("there is no such page")
)

// Route is a route and how it does.
type Route struct {
	gateway.RouteInfo
	Alarms []Alarm           `json:"alarms"`
	Queue  *notifyhook.Tally `json:"queue,omitempty"` // missing: it has no notifications
}

// RouteList is the answer of GET /routes.
type RouteList struct {
	Routes  []Route `json:"routes"`         // by host
	Total   int     `json:"total"`          // how many the filters leave, on all pages
	Alarmed int     `json:"alarmed"`        // how many of all routes have an alarm
	Next    string  `json:"next,omitempty"` // the cursor of what follows; missing: nothing does
}

// routeFilters are the values of ?show=.
var routeFilters = []string{"", "alarms", "login", "notify", "managed", "maintenance"}

// listRoutes is GET /routes?search=&show=&cursor=&limit=. Whatever the number of
// routes, the store is asked once, about those of the page.
func (cfg Config) listRoutes(ctx context.Context, query url.Values) (RouteList, error) {
	list := RouteList{Routes: []Route{}}
	if err := onlyKnown(query, "search", "show", "cursor", "limit"); err != nil {
		return list, err
	}
	limit, err := limitOf(query, maxRoutes)
	if err != nil {
		return list, err
	}
	if limit = min(limit, maxRoutes); limit == 0 {
		limit = defaultRoutes
	}
	show := query.Get("show")
	if !slices.Contains(routeFilters, show) {
		return list, mistake("show must be one of " + strings.Join(routeFilters[1:], ", "))
	}
	search, after := strings.ToLower(strings.TrimSpace(query.Get("search"))), query.Get("cursor")
	alarms := byRoute(cfg.alarms())
	delete(alarms, "")
	list.Alarmed = len(alarms)
	for _, one := range cfg.Gateway.RouteInfos() {
		rt := Route{RouteInfo: one, Alarms: alarms[one.Host]}
		if !rt.is(show) || !rt.matches(search) {
			continue
		}
		list.Total++
		switch {
		case one.Host <= after:
		case len(list.Routes) < limit:
			list.Routes = append(list.Routes, rt)
		default:
			list.Next = list.Routes[limit-1].Host
		}
	}
	return list, cfg.addQueues(ctx, list.Routes)
}

// showRoute is GET /routes/{host}.
func (cfg Config) showRoute(ctx context.Context, host string) (Route, error) {
	all := cfg.Gateway.RouteInfos()
	i, ok := slices.BinarySearchFunc(all, strings.ToLower(host), func(one gateway.RouteInfo, host string) int { return strings.Compare(one.Host, host) })
	if !ok {
		return Route{}, errNoRoute
	}
	list := []Route{{RouteInfo: all[i], Alarms: byRoute(cfg.alarms())[all[i].Host]}}
	err := cfg.addQueues(ctx, list)
	return list[0], err
}

// addQueues says of routes with notifications how those do.
func (cfg Config) addQueues(ctx context.Context, list []Route) error {
	var hosts []string
	for _, rt := range list {
		if rt.Notify {
			hosts = append(hosts, rt.Host)
		}
	}
	tallies, err := cfg.Relay.Tallies(ctx, hosts)
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	for i := range list {
		if list[i].Alarms == nil {
			list[i].Alarms = []Alarm{} // never null in JSON
		}
		if list[i].Notify {
			list[i].Queue = new(tallies[list[i].Host])
		}
	}
	return nil
}

// is reports whether the route is one of those to show.
func (rt Route) is(show string) bool {
	switch show {
	case "alarms":
		return len(rt.Alarms) > 0
	case "login":
		return rt.Login
	case "notify":
		return rt.Notify
	case "managed":
		return rt.Managed
	case "maintenance":
		return rt.Maintenance
	}
	return true
}

// matches reports whether what is searched stands in the host, in the app's
// address, or in the workspace's id or name; search is in lower case.
func (rt Route) matches(search string) bool {
	if search == "" {
		return true
	}
	return slices.ContainsFunc([]string{rt.Host, rt.Upstream, rt.Workspace, rt.WorkspaceName}, func(text string) bool {
		return strings.Contains(strings.ToLower(text), search)
	})
}
