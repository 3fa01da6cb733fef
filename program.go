package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/admin"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/notifyhook"
	"github.com/cocoom/cocoom-gateway/policy"
	"github.com/cocoom/cocoom-gateway/proxy"
)

const (
	// drainTime is how long requests under way may take after a stop was asked for.
	// Container runtimes kill after ten seconds.
	drainTime = 8 * time.Second
	// headerBytes bounds a request's line and headers; more gets 431. Old PHP
	// servers refuse more than 8 KiB themselves.
	headerBytes = 32 << 10
)

// program is a running gateway: everything that serve starts, as a value that a
// test can start too.
type program struct {
	log     *slog.Logger
	routes  int
	store   *store.Store
	keys    *keys
	relay   *notifyhook.Relay
	gateway *gateway.Gateway
	proxies []*proxy.Proxy
	public  *server
	admin   *server
	private *server // nil: there is none
}

// start opens the store, builds every route and binds the listeners, so that
// an address in use or a store that cannot be opened is an error here. run
// serves; whoever does not call run must call close.
func start(ctx context.Context, cfg *configs.Config, log *slog.Logger) (_ *program, err error) {
	p := &program{log: log, routes: len(cfg.Routes)}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if p.store, err = store.Open(ctx, cfg.State.Reveal(), log); err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	if p.keys, err = openKeys(ctx, p.store, cfg); err != nil {
		return nil, err
	}
	if p.relay, err = newRelay(cfg, p.store, log); err != nil {
		return nil, fmt.Errorf("build notifications: %w", err)
	}
	if err := p.buildGateway(ctx, cfg); err != nil {
		return nil, err
	}
	if p.public, err = listen("listen", cfg.Listen, p.gateway, cfg.TLS, log); err != nil {
		return nil, err
	}
	pages := admin.New(admin.Config{Ready: p.checks(), Relay: p.relay, Log: log, Gateway: p.gateway,
		Keys: admin.Keys{PEM: p.keys.signing.PEM, Rotate: p.keys.rotate}})
	if p.admin, err = listen("admin", cfg.Admin, pages, configs.TLS{}, log); err != nil {
		return nil, err
	}
	if cfg.Private != "" {
		inside := p.gateway.Private(admin.Probes(p.checks()))
		if p.private, err = listen("private", cfg.Private, inside, configs.TLS{}, log); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// newRelay gives the relay of all routes with notifications.
func newRelay(cfg *configs.Config, st *store.Store, log *slog.Logger) (*notifyhook.Relay, error) {
	c := notifyhook.Config{APIURL: cfg.Slack.WithDefaults().APIURL, Store: st, Log: log, PublicScheme: cfg.PublicScheme}
	for _, r := range cfg.Routes {
		if r.Notify != nil {
			c.Routes = append(c.Routes, notifyhook.Route{Host: r.Host, Workspace: r.Workspace, BotToken: r.SlackApp.BotToken, Settings: *r.Notify})
		}
	}
	return notifyhook.New(c)
}

func (p *program) buildGateway(ctx context.Context, cfg *configs.Config) error {
	c := gateway.Config{
		Prefix: cfg.ReservedPrefix, TrustedProxies: cfg.TrustedProxies, Slack: cfg.Slack, Session: cfg.Session,
		Sealer: &p.keys.sealer, JWKS: p.keys.signing.JWKS, Store: p.store, Log: p.log,
		PersonChanged: p.relay.PersonChanged,
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

// checks say whether the gateway can do its work.
func (p *program) checks() []admin.Check {
	return []admin.Check{{Name: "store", Run: func(ctx context.Context) error {
		var one int
		return p.store.Read().QueryRowContext(ctx, `SELECT 1`).Scan(&one)
	}}, {Name: "sessions", Run: p.gateway.Ready}}
}

// run serves until ctx ends or a part fails, then stops in order: no new
// requests, those under way get drainTime, streams are cut, the queue is left
// as the store has it.
func (p *program) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.gateway.Run(ctx) })
	group.Go(func() error { return p.relay.Run(ctx) })
	group.Go(func() error { return p.keys.follow(ctx, p.log) })
	group.Go(func() error { return p.public.run(ctx) })
	group.Go(func() error { return p.admin.run(ctx) })
	if p.private != nil {
		group.Go(func() error { return p.private.run(ctx) })
	}
	p.log.Info("serving", "public", p.public.addr(), "admin", p.admin.addr(), "private", p.private.addr(), "routes", p.routes, "version", version())
	err := group.Wait()
	p.log.Info("stopped")
	return errors.Join(err, p.close())
}

// close frees what start has opened.
func (p *program) close() error {
	var errs []error
	for _, s := range []*server{p.public, p.admin, p.private} {
		if s != nil {
			s.ln.Close() // closed already after run
		}
	}
	for _, px := range p.proxies {
		px.Close()
	}
	if p.store != nil {
		errs = append(errs, p.store.Close())
	}
	return errors.Join(errs...)
}

// server is one listener.
type server struct {
	http http.Server
	ln   net.Listener
	tls  configs.TLS
	log  *slog.Logger
	cut  context.CancelFunc // ends the requests' contexts, and so every stream
}

// listen binds an address; key names it in errors.
func listen(key, address string, h http.Handler, certificate configs.TLS, log *slog.Logger) (*server, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	base, cut := context.WithCancel(context.Background())
	return &server{ln: ln, tls: certificate, log: log, cut: cut, http: http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: headerBytes,
		BaseContext: func(net.Listener) context.Context { return base },
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelDebug), // strangers' TLS and HTTP mistakes
		TLSConfig:   &tls.Config{MinVersion: tls.VersionTLS12},
	}}, nil
}

// addr is where the listener is; empty for none.
func (s *server) addr() string {
	if s == nil {
		return ""
	}
	return s.ln.Addr().String()
}

// run serves until ctx ends.
func (s *server) run(ctx context.Context) error {
	stopped := make(chan error, 1)
	go func() {
		if s.tls.Cert != "" {
			stopped <- s.http.ServeTLS(s.ln, s.tls.Cert, s.tls.Key)
			return
		}
		stopped <- s.http.Serve(s.ln)
	}()
	select {
	case err := <-stopped:
		s.cut()
		return fmt.Errorf("serve %s: %w", s.addr(), err)
	case <-ctx.Done():
	}
	s.log.Info("stopping; requests under way may end", "address", s.addr(), "limit", drainTime.String())
	drain, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	err := s.http.Shutdown(drain)
	s.cut()
	if err != nil {
		s.http.Close() // what has not ended in drainTime is cut
	}
	<-stopped
	return nil
}
