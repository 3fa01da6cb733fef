package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/notifyhook"
	"github.com/cocoom/cocoom-gateway/policy"
	"github.com/cocoom/cocoom-gateway/proxy"
)

// newRelay gives the relay of all routes with notifications.
func newRelay(cfg *configs.Config, st *store.Store, log *slog.Logger) (*notifyhook.Relay, error) {
	return notifyhook.New(notifyhook.Config{Routes: relayRoutes(cfg), APIURL: cfg.Slack.WithDefaults().APIURL, Store: st, Log: log, PublicScheme: cfg.PublicScheme})
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

func (p *program) buildGateway(ctx context.Context, cfg *configs.Config) error {
	c := gateway.Config{
		Settings: gateway.Settings{TrustedProxies: cfg.TrustedProxies, Slack: cfg.Slack, Session: cfg.Session},
		Prefix:   cfg.ReservedPrefix,
		Sealer:   &p.keys.sealer, JWKS: p.keys.signing.JWKS, Store: p.store, Log: p.log,
		PersonChanged: p.relay.PersonChanged,
		Master:        p.keys.master, AppChanged: p.appChanged, Messenger: messenger(p.relay),
	}
	for i := range cfg.Routes {
		rt, err := newRoute(cfg, &cfg.Routes[i], routeParts{p.keys.signing, &p.keys.appCookies, p.relay, p.log})
		if err != nil {
			return fmt.Errorf("build route %s: %w", cfg.Routes[i].Host, err)
		}
		if rt.Upstream != nil {
			p.proxies = append(p.proxies, rt.Upstream)
		}
		c.Routes = append(c.Routes, rt)
	}
	var err error
	if p.gateway, err = gateway.New(ctx, c); err != nil {
		return fmt.Errorf("build gateway: %w", err)
	}
	return nil
}

// routeParts are what the routes share.
type routeParts struct {
	signing *proxy.Keys
	cookies *proxy.CookieKeys
	relay   *notifyhook.Relay // nil: the route is only looked at, and takes no notifications
	log     *slog.Logger
}

// newRoute builds a route.
func newRoute(cfg *configs.Config, r *configs.Route, parts routeParts) (gateway.Route, error) {
	rt := gateway.Route{
		Host: r.Host, Origin: cfg.Origin(r.Host), Workspace: r.Workspace, WorkspaceName: r.WorkspaceName,
		SlackApp: r.SlackApp, Login: r.Login, EncodedSlash: r.EncodedSlash == "allow",
		Maintenance: r.Maintenance, ServiceTokens: r.ServiceTokens, FoldCase: r.CaseInsensitive,
	}
	made := manifestOf(cfg, r, false)
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
		c.Notify = parts.relay.InBand(rt.Host)
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
	c.Upstream = *r.Upstream
	rt.Upstream, err = proxy.New(c)
	return rt, err
}
