package main

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// drainTime is how long requests under way may take after a stop was asked for.
	// Container runtimes kill after ten seconds.
	drainTime = 8 * time.Second
	// lastWords is how long the operators' listener may then take to end.
	lastWords = 500 * time.Millisecond
)

// serve serves on all listeners until ctx ends or one fails, then stops in
// order: the gateway is not ready any more, the public and the private listener
// take no new requests, WebSockets and event streams end, requests under way get
// drainTime, then they are cut. The operators' listener goes last, so that
// probes hear meanwhile that it is not ready.
func (p *program) serve(ctx context.Context) error {
	operators, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer leave()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.admin.run(operators, lastWords) })
	group.Go(func() error { defer leave(); return p.carry(ctx) })
	p.manager.tell(p.log, "READY=1")
	return group.Wait()
}

// carry serves people and apps until ctx ends or a listener fails, and returns
// when the last of their requests is over.
func (p *program) carry(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range []*server{p.public, p.private, p.redirect} {
		if s != nil {
			group.Go(func() error { return s.run(ctx, drainTime) })
		}
	}
	group.Go(func() error {
		<-ctx.Done()
		p.log.Info("stopping; requests under way may end", "limit", drainTime.String())
		p.stopping.Store(true)
		p.manager.tell(p.log, "STOPPING=1")
		p.gateway.Stop()
		return nil
	})
	err := group.Wait()
	p.gateway.Parted()
	return err
}

var errStopping = errors.New("the gateway is stopping")

// goesOn is the check that fails from the moment a stop was asked for.
func (p *program) goesOn(context.Context) error {
	if p.stopping.Load() {
		return errStopping
	}
	return nil
}
