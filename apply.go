package main

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/admin"
)

// storeTime is how long the store may take for what a configuration needs of it. One
// that hangs longer is tried again: its connections may be dead.
const storeTime = 10 * time.Second

// current is the configuration in force, and what was built of it.
type current struct {
	mu      sync.Mutex // one is applied at a time
	started *configs.Config
	file    *configs.Config
	routes  builtRoutes
	owed    bool // managed apps were read that are not in force

	saying sync.Mutex // guards what is told of it; never held for long
	says   admin.Configuration
	cfg    *configs.Config // what is served of it
}

// served is the configuration in force. It does not wait for one that is being
// applied, which may take as long as the store wants.
func (c *current) served() *configs.Config {
	c.saying.Lock()
	defer c.saying.Unlock()
	return c.cfg
}

// restartKeys are those whose new values only a restart brings into force:
// listeners are bound, the store is opened and its keys unsealed once, and the
// reserved prefix is a part of addresses that people and Slack hold.
var restartKeys = [...]string{"listen", "admin", "admin_token", "private", "state", "master_key", "reserved_prefix", "tls", "tracing"}

// effective is the configuration that is served: what the file says, with what
// only a restart changes as it was at the start. Whatever else has a say in it
// (such as what the store knows of Slack apps that customers have set up) is laid
// over the copy here, and nowhere else. restart names the keys that differ.
func (p *program) effective(ctx context.Context, file *configs.Config) (cfg *configs.Config, restart []string, err error) {
	cfg, restart = p.keepStarted(file)
	apps, err := p.apps.Read(ctx)
	if err != nil {
		return nil, nil, err
	}
	return managed(cfg, apps), restart, nil
}

// keepStarted gives a copy of a configuration with what only a restart changes as
// it was at the start, and the keys of which that is true.
func (p *program) keepStarted(file *configs.Config) (cfg *configs.Config, restart []string) {
	cfg = new(*file)
	from, to := reflect.ValueOf(p.current.started).Elem(), reflect.ValueOf(cfg).Elem()
	for i := range to.NumField() {
		key := to.Type().Field(i).Tag.Get("yaml")
		if slices.Contains(restartKeys[:], key) && !reflect.DeepEqual(from.Field(i).Interface(), to.Field(i).Interface()) {
			restart = append(restart, key)
			to.Field(i).Set(from.Field(i))
		}
	}
	return cfg, restart
}

// apply puts another configuration in force: keys that it needs are made and all
// that can fail is built beside what is there, then the relay goes over to it,
// then the gateway. Nothing under way is broken off but streams that the new one
// would refuse. The error leaves everything as it is.
//
// A file that says the same as before is applied as well: what else has a say may
// have changed.
func (p *program) apply(ctx context.Context, file *configs.Config) error {
	p.current.mu.Lock()
	defer p.current.mu.Unlock()
	return p.applyLocked(ctx, file)
}

// applyLocked is apply; the caller holds current.mu. What is told of a file that is
// wrong stays: it may not be the one that is applied.
func (p *program) applyLocked(ctx context.Context, file *configs.Config) error {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	p.current.owed = true // whoever looks for changes is not told again of what is read now
	cfg, restart, err := p.effective(ctx, file)
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
	p.current.file, p.current.routes, p.current.owed = file, routes, false
	p.current.tell(func(c *admin.Configuration) {
		p.current.cfg = cfg
		c.Generation, c.Since, c.Routes, c.Restart = c.Generation+1, time.Now().UTC(), len(routes), restart
	})
	return nil
}

// settings are what the gateway gets of a configuration.
func settings(cfg *configs.Config, routes builtRoutes) gateway.Settings {
	s := gateway.Settings{TrustedProxies: cfg.TrustedProxies, Slack: cfg.Slack, Session: cfg.Session, Limits: cfg.Limits, Routes: make([]gateway.Route, 0, len(routes))}
	for _, one := range routes {
		s.Routes = append(s.Routes, one.route)
	}
	return s
}

// configuration says which one is in force. It never waits.
func (p *program) configuration() admin.Configuration {
	p.current.saying.Lock()
	defer p.current.saying.Unlock()
	return p.current.says
}

func (c *current) tell(change func(*admin.Configuration)) {
	c.saying.Lock()
	defer c.saying.Unlock()
	change(&c.says)
}
