package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/admin"
	"github.com/cocoom/cocoom-gateway/internal/certs"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/throttle"
	"github.com/cocoom/cocoom-gateway/notifyhook"
)

// program is a running gateway: everything that serve starts, as a value that a
// test can start too.
type program struct {
	log *slog.Logger
	observation

	store    *store.Store
	keys     *keys
	relay    *notifyhook.Relay
	gateway  *gateway.Gateway
	certs    *certs.Certificates // nil: a front proxy ends TLS
	throttle *throttle.Limits

	public   *server
	admin    *server
	private  *server // nil: there is none
	redirect *server // nil: there is none

	current     current
	source      *source              // where the configuration came from; nil: from no file
	apps        *gateway.ManagedApps // those that workspaces' admins have set up
	appsChanged chan struct{}        // holds one when an app was set up here

	manager  serviceManager
	stopping atomic.Bool // no longer ready, for good
}

// start opens the store, builds every route and binds the listeners, so that
// an address in use or a store that cannot be opened is an error here. run
// serves; whoever does not call run must call close.
func start(ctx context.Context, cfg *configs.Config, log *slog.Logger) (_ *program, err error) {
	p := &program{log: log, appsChanged: make(chan struct{}, 1), throttle: throttle.New(log, nil)}
	p.current.started, p.current.file = cfg, cfg
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if p.observation, err = observe(ctx, cfg.Tracing, log); err != nil {
		return nil, err
	}
	if p.store, err = store.Open(ctx, cfg.State.Reveal(), log); err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	if err = p.store.Register(p.registry); err != nil {
		return nil, fmt.Errorf("register metrics of the store: %w", err)
	}
	if p.keys, err = openKeys(ctx, p.store, cfg); err != nil {
		return nil, err
	}
	p.apps = gateway.NewManagedApps(p.store, p.keys.master, log)
	if cfg, _, err = p.effective(ctx, cfg); err != nil {
		return nil, err
	}
	p.current.cfg = cfg
	if err := p.buildRelay(cfg); err != nil {
		return nil, err
	}
	if err := p.buildGateway(ctx, cfg); err != nil {
		return nil, err
	}
	if p.public, err = listen("listen", cfg.Listen, p.gateway, log); err != nil {
		return nil, err
	}
	p.public.crowd.trusts = p.gateway.Trusts
	if err := p.endTLS(cfg); err != nil {
		return nil, err
	}
	if p.admin, err = listen("admin", cfg.Admin, p.forOperators(cfg), log); err != nil {
		return nil, err
	}
	if cfg.Private != "" {
		inside := p.gateway.Private(admin.Probes(p.checks()))
		if p.private, err = listen("private", cfg.Private, inside, log); err != nil {
			return nil, err
		}
	}
	if err := registerCrowds(p.registry, map[string]*server{"public": p.public, "private": p.private, "admin": p.admin}); err != nil {
		return nil, err
	}
	return p, nil
}

// forOperators is what stands on the operators' listener.
func (p *program) forOperators(cfg *configs.Config) http.Handler {
	return admin.New(admin.Config{
		Token: cfg.AdminToken, Version: version(), Log: p.log,
		Gateway: p.gateway, Relay: p.relay, Ready: p.checks(),
		Keys:          admin.Keys{PEM: p.keys.signing.PEM, Rotate: p.keys.rotate},
		Metrics:       admin.Metrics{Registry: p.registry, Keys: p.keys.health.ages, Certificates: p.certificates},
		Configuration: p.configuration, Reload: p.reload, Doctor: p.doctor, Backup: p.backup(),
		CertificateAlarms: p.certificateAlarms, CertificateUntil: p.certificateUntil,
	})
}

// from says which file the configuration came from, so that it can be read again.
// It is called before run, if at all.
func (p *program) from(s *source) {
	p.source = s
	p.current.tell(func(c *admin.Configuration) { c.File = s.path })
}

// backup copies the store; nil where that is PostgreSQL's to do.
func (p *program) backup() func(context.Context) (*os.File, error) {
	if p.store.Postgres() {
		return nil
	}
	return p.store.Copy
}

// run serves until ctx ends or a part fails, and stops as serve says; the queue
// is left as the store has it.
func (p *program) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.relay.Run(ctx) })
	group.Go(func() error { return p.followApps(ctx) })
	if p.source != nil {
		group.Go(func() error { return p.follow(ctx) })
	}
	// What requests rely on goes on while the last of them are under way.
	needed, done := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error { return p.gateway.Run(needed) })
	group.Go(func() error { return p.keys.follow(needed, p.log) })
	if p.certs != nil {
		group.Go(func() error { return p.certs.Run(needed) })
	}
	group.Go(func() error { defer done(); return p.serve(ctx) })
	p.log.Info("serving", "public", p.public.addr(), "admin", p.admin.addr(), "private", p.private.addr(), "routes", p.configuration().Routes, "version", version())
	err := group.Wait()
	p.log.Info("stopped")
	return errors.Join(err, p.close())
}

// close frees what start has opened.
func (p *program) close() error {
	var errs []error
	for _, s := range []*server{p.public, p.admin, p.private, p.redirect} {
		if s != nil {
			s.ln.Close() // closed already after run
		}
	}
	p.tracing.Close()
	if p.certs != nil {
		p.certs.Close()
	}
	p.current.routes.closeUnlike(nil)
	if p.store != nil {
		errs = append(errs, p.store.Close())
	}
	return errors.Join(errs...)
}
