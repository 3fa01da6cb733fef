package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"golang.org/x/sync/errgroup"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/admin"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/notifyhook"
)

// program is a running gateway: everything that serve starts, as a value that a
// test can start too.
type program struct {
	log     *slog.Logger
	store   *store.Store
	keys    *keys
	relay   *notifyhook.Relay
	gateway *gateway.Gateway
	current current
	apps    *gateway.ManagedApps
	// appsChanged holds one when an app was set up here.
	appsChanged chan struct{}
	public      *server
	admin       *server
	private     *server // nil: there is none
}

// start opens the store, builds every route and binds the listeners, so that
// an address in use or a store that cannot be opened is an error here. run
// serves; whoever does not call run must call close.
func start(ctx context.Context, cfg *configs.Config, log *slog.Logger) (_ *program, err error) {
	p := &program{log: log, appsChanged: make(chan struct{}, 1)}
	p.current.file = cfg
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
	p.apps = gateway.NewManagedApps(p.store, p.keys.master, log)
	if cfg, err = p.effective(ctx, cfg); err != nil {
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
	group.Go(func() error { return p.followApps(ctx) })
	group.Go(func() error { return p.public.run(ctx) })
	group.Go(func() error { return p.admin.run(ctx) })
	if p.private != nil {
		group.Go(func() error { return p.private.run(ctx) })
	}
	p.log.Info("serving", "public", p.public.addr(), "admin", p.admin.addr(), "private", p.private.addr(), "routes", len(p.current.routes), "version", version())
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
	p.current.routes.closeUnlike(nil)
	if p.store != nil {
		errs = append(errs, p.store.Close())
	}
	return errors.Join(errs...)
}
