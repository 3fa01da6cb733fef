package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/gateway"
)

// current is the configuration in force, and what was built of it.
type current struct {
	mu     sync.Mutex // one is applied at a time
	file   *configs.Config
	routes builtRoutes
}

// effective is the configuration that is served: what the file says, and over a
// copy of it what the store knows of Slack apps that customers have set up.
func (p *program) effective(ctx context.Context, file *configs.Config) (*configs.Config, error) {
	apps, err := p.apps.Read(ctx)
	if err != nil {
		return nil, err
	}
	return managed(file, apps), nil
}

// apply puts another configuration in force: keys that it needs are made and all
// that can fail is built beside what is there, then the relay goes over to it,
// then the gateway. Nothing under way is broken off but streams that the new one
// would refuse. The error leaves everything as it is.
//
// What only a restart changes (see restartKeys) stays as it was at the start.
func (p *program) apply(ctx context.Context, file *configs.Config) error {
	p.current.mu.Lock()
	defer p.current.mu.Unlock()
	return p.applyLocked(ctx, file)
}

// applyLocked is apply; the caller holds current.mu.
func (p *program) applyLocked(ctx context.Context, file *configs.Config) error {
	cfg, err := p.effective(ctx, file)
	if err != nil {
		return err
	}
	if err := p.keys.need(ctx, cfg); err != nil {
		return err
	}
	routes, err := buildRoutes(cfg, p.parts(), p.current.routes)
	if err != nil {
		return err
	}
	relayApply, err := p.relay.Prepare(relayRoutes(cfg), cfg.Slack.WithDefaults().APIURL, cfg.PublicScheme)
	if err != nil {
		return fmt.Errorf("build notifications: %w", err)
	}
	gatewayApply, err := p.gateway.Prepare(settings(cfg, routes))
	if err != nil {
		return fmt.Errorf("build gateway: %w", err)
	}
	relayApply()
	gatewayApply()
	p.current.routes.closeUnlike(routes)
	p.current.file, p.current.routes = file, routes
	return nil
}

// settings are what the gateway gets of a configuration.
func settings(cfg *configs.Config, routes builtRoutes) gateway.Settings {
	s := gateway.Settings{TrustedProxies: cfg.TrustedProxies, Slack: cfg.Slack, Session: cfg.Session, Routes: make([]gateway.Route, 0, len(routes))}
	for _, one := range routes {
		s.Routes = append(s.Routes, one.route)
	}
	return s
}
