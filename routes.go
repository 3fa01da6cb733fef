package main

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/admin"
	"github.com/cocoom/cocoom-gateway/notifyhook"
	"github.com/cocoom/cocoom-gateway/policy"
	"github.com/cocoom/cocoom-gateway/proxy"
)

// buildRelay makes the relay of all routes with notifications.
func (p *program) buildRelay(cfg *configs.Config) error {
	var err error
	p.relay, err = notifyhook.New(notifyhook.Config{
		Routes: relayRoutes(cfg), APIURL: cfg.Slack.WithDefaults().APIURL, PublicScheme: cfg.PublicScheme,
		Store: p.store, Log: p.log, Metrics: p.registry, Tracer: p.tracing.Tracer(), Throttle: p.throttle,
	})
	if err != nil {
		return fmt.Errorf("build notifications: %w", err)
	}
	return nil
}

// relayRoutes are the routes with notifications.
func relayRoutes(cfg *configs.Config) []notifyhook.Route {
	var routes []notifyhook.Route
	for _, r := range cfg.Routes {
		if r.Notify != nil {
			routes = append(routes, notifyhook.Route{Host: r.Host, Workspace: r.Workspace, BotToken: r.SlackApp.BotToken, Settings: *r.Notify})
		}
	}
	return routes
}

// buildGateway makes the gateway, and the routes that it begins with.
func (p *program) buildGateway(ctx context.Context, cfg *configs.Config) error {
	var err error
	if p.current.routes, err = buildRoutes(cfg, p.parts(), nil); err != nil {
		return err
	}
	p.gateway, err = gateway.New(ctx, gateway.Config{
		Settings: settings(cfg, p.current.routes), Prefix: cfg.ReservedPrefix,
		Sealer: &p.keys.sealer, JWKS: p.keys.signing.JWKS, Store: p.store, Log: p.log,
		PersonChanged: p.relay.PersonChanged, Metrics: p.registry, Tracer: p.tracing.Tracer(),
		Master: p.keys.master, AppChanged: p.appChanged, Messenger: messenger(p.relay), Throttle: p.throttle,
	})
	if err != nil {
		return fmt.Errorf("build gateway: %w", err)
	}
	p.current.tell(func(c *admin.Configuration) { c.Generation, c.Since, c.Routes = 1, time.Now().UTC(), len(cfg.Routes) })
	return nil
}

// routeParts are what the routes share.
type routeParts struct {
	signing *proxy.Keys
	cookies *proxy.CookieKeys
	relay   *notifyhook.Relay // nil: the route is only looked at, and takes no notifications
	log     *slog.Logger
}

func (p *program) parts() routeParts {
	return routeParts{p.keys.signing, &p.keys.appCookies, p.relay, p.log}
}

// builtRoute is a route and what it was built of.
type builtRoute struct {
	of     *configs.Route
	origin string
	route  gateway.Route
}

// builtRoutes are those of one configuration, by host.
type builtRoutes map[string]builtRoute

// buildRoutes builds the routes of a configuration. Those that are as they were
// before are taken over, with their connections to the app, and what they
// remember of sessions at its form.
func buildRoutes(cfg *configs.Config, parts routeParts, before builtRoutes) (builtRoutes, error) {
	list := make([]builtRoute, len(cfg.Routes))
	var workers errgroup.Group
	workers.SetLimit(runtime.GOMAXPROCS(0))
	if before != nil {
		workers.SetLimit(1) // the other processors are for requests
	}
	for i := range cfg.Routes {
		r := &cfg.Routes[i]
		workers.Go(func() (err error) {
			origin := cfg.Origin(r.Host)
			if old, ok := before[r.Host]; ok && old.origin == origin && old.of.Same(r) {
				list[i] = builtRoute{r, origin, old.route}
				return nil
			}
			list[i] = builtRoute{of: r, origin: origin}
			if list[i].route, err = newRoute(cfg, r, parts, before[r.Host]); err != nil {
				return fmt.Errorf("build route %s: %w", r.Host, err)
			}
			return nil
		})
	}
	err := workers.Wait()
	routes := make(builtRoutes, len(list))
	for _, one := range list {
		routes[one.of.Host] = one
	}
	if err != nil {
		routes.closeUnlike(before)
		return nil, err
	}
	return routes, nil
}

// closeUnlike closes the idle connections of the routes that others has not taken
// over. Requests under way keep theirs, which end with them: nothing holds the
// route's transport any more, and what it keeps open closes after seconds.
func (b builtRoutes) closeUnlike(others builtRoutes) {
	for host, one := range b {
		if up := one.route.Upstream; up != nil && up != others[host].route.Upstream {
			up.Close()
		}
	}
}

// carriedAlike reports whether requests are carried to the app of another route as
// they were to that of b.
func (b builtRoute) carriedAlike(origin string, r *configs.Route) bool {
	type login struct {
		upstream proxy.UpstreamLogin
		cookies  proxy.AppCookies
	}
	type carried struct {
		origin    string
		upstream  *proxy.Upstream
		headers   proxy.Headers
		assertion proxy.Assertion
		login     *login
		inBand    bool
	}
	of := func(origin string, r *configs.Route) carried {
		c := carried{origin, r.Upstream, r.Headers, r.Assertion, nil, r.Notify != nil && r.Notify.InBand}
		if r.Login != nil {
			c.login = &login{r.Login.Upstream, r.Login.BoundCookies()}
		}
		return c
	}
	return b.route.Upstream != nil && reflect.DeepEqual(of(b.origin, b.of), of(origin, r))
}

// newRoute builds a route. Where nothing has changed between the gateway and the
// app, that part is taken over from the route before: another policy or bot token
// costs nobody what they do in the app.
func newRoute(cfg *configs.Config, r *configs.Route, parts routeParts, before builtRoute) (gateway.Route, error) {
	rt := gateway.Route{
		Host: r.Host, Origin: cfg.Origin(r.Host), Workspace: r.Workspace, WorkspaceName: r.WorkspaceName,
		SlackApp: r.SlackApp, Login: r.Login, EncodedSlash: r.EncodedSlash == "allow",
		Maintenance: r.Maintenance, ServiceTokens: r.ServiceTokens, FoldCase: r.CaseInsensitive,
	}
	made := cfg.Manifest(r, false)
	rt.Manifest, rt.WantsHookToken = &made, wantsHookToken(r)
	var err error
	if rt.Policy, err = policy.New(r.Policy, r.CaseInsensitive); err != nil {
		return rt, err
	}
	c := proxy.Config{
		Origin: rt.Origin, Host: r.Host, Headers: r.Headers, Assertion: r.Assertion,
		Keys: parts.signing, CookieKeys: parts.cookies, Log: parts.log, Error: gateway.WriteError,
	}
	if r.Notify != nil && parts.relay != nil {
		rt.Notify = parts.relay.Handler(rt.Host)
		if r.Notify.InBand {
			c.Notify = parts.relay.InBand(rt.Host)
		}
	}
	if r.Login != nil {
		c.Login = r.Login.Upstream
		c.AppCookies = r.Login.BoundCookies()
		if rt.SignOut, err = policy.NewRequests(r.Login.SignOutPaths, r.CaseInsensitive); err != nil {
			return rt, err
		}
	}
	if r.Upstream == nil {
		if r.Login != nil {
			rt.Identifier, err = proxy.NewIdentifier(c)
		}
		return rt, err
	}
	if before.carriedAlike(rt.Origin, r) {
		rt.Upstream = before.route.Upstream
		return rt, nil
	}
	c.Upstream = *r.Upstream
	rt.Upstream, err = proxy.New(c)
	return rt, err
}
