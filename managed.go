package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/notifyhook"
)

// managedPoll is how soon an app that another replica's admin has set up is in
// force here.
const managedPoll = time.Second

// managed lays what workspaces' admins have set up over a configuration, which
// itself stays as it is. A workspace that the configuration names is the only one
// that counts: an app that was installed to another is as good as none.
func managed(cfg *configs.Config, apps map[string]gateway.ManagedApp) *configs.Config {
	out := *cfg
	out.Routes = slices.Clone(cfg.Routes)
	for i := range out.Routes {
		r := &out.Routes[i]
		app, found := apps[r.Host]
		if !r.SlackApp.Managed || !found {
			continue
		}
		if r.Workspace == "" || r.Workspace == app.Workspace {
			r.SlackApp, r.Workspace, r.WorkspaceName = app.App, app.Workspace, cmp.Or(r.WorkspaceName, app.WorkspaceName)
		}
		if wantsHookToken(r) && app.HookToken != "" {
			settings := *r.Notify
			settings.BearerTokens = []notifyhook.Credential{{ID: configs.SetupToken, Value: app.HookToken}}
			r.Notify = &settings
		}
	}
	return &out
}

// wantsHookToken reports whether a route takes notifications, and nobody has a
// credential for that but by the route's set-up.
func wantsHookToken(r *configs.Route) bool {
	if !r.SlackApp.Managed || r.Notify == nil || len(r.Notify.SigningSecrets)+len(r.Notify.Hooks) > 0 {
		return false
	}
	return len(r.Notify.BearerTokens) == 0 || r.Notify.BearerTokens[0].ID == configs.SetupToken
}

// messenger sends the test messages of a set-up by the relay's queue.
func messenger(relay *notifyhook.Relay) gateway.Messenger {
	return gateway.Messenger{
		Tell: relay.Tell,
		Told: func(ctx context.Context, host, id string) (gateway.Told, error) {
			state, reason, err := relay.Told(ctx, host, id)
			return gateway.Told{State: state, Reason: reason}, err
		},
	}
}

// appChanged wakes followApps. It never waits.
func (p *program) appChanged() {
	select {
	case p.appsChanged <- struct{}{}:
	default:
	}
}

// followApps applies the configuration anew whenever an app has been set up, here
// or on another replica, until ctx ends.
func (p *program) followApps(ctx context.Context) error {
	tick := time.NewTicker(managedPoll)
	defer tick.Stop()
	for failing := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-p.appsChanged:
		}
		changed, err := p.appsHaveChanged(ctx)
		if err == nil {
			err = p.applyApps(ctx, changed)
		}
		if err != nil && ctx.Err() == nil && !failing {
			p.log.Error("Slack apps that were set up cannot be put in force; those in force go on", "error", err)
		}
		failing = err != nil
	}
}

// appsHaveChanged asks the store, for a while.
func (p *program) appsHaveChanged(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	return p.apps.Changed(ctx)
}

// applyApps applies the configuration anew, with the apps as they are now, if any
// have changed or an attempt to apply some has failed before.
func (p *program) applyApps(ctx context.Context, changed bool) error {
	p.current.mu.Lock()
	defer p.current.mu.Unlock()
	if !changed && !p.current.owed {
		return nil
	}
	p.current.owed = true
	if err := p.applyLocked(ctx, p.current.file); err != nil {
		return fmt.Errorf("apply managed apps: %w", err)
	}
	return nil
}
