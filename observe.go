package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/internal/admin"
	"github.com/cocoom/cocoom-gateway/internal/tracing"
)

// observation is how operators see what a program does: its metrics and traces.
type observation struct {
	registry *prometheus.Registry
	tracing  *tracing.Tracing // nil: there are no traces
}

func observe(ctx context.Context, cfg configs.Tracing, log *slog.Logger) (observation, error) {
	o := observation{registry: prometheus.NewRegistry()}
	if cfg.Endpoint == "" {
		return o, nil
	}
	var err error
	o.tracing, err = tracing.Open(ctx, tracing.Config{Endpoint: cfg.Endpoint, Sample: cfg.Sample, Version: version(), Log: log})
	return o, err
}

// registerCrowds shows how full the listeners are, by name; nil: there is none.
func registerCrowds(reg prometheus.Registerer, listeners map[string]*server) error {
	for name, s := range listeners {
		if s == nil {
			continue
		}
		labels := prometheus.Labels{"listener": name}
		err := errors.Join(
			reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "cocoom_gateway_connections", ConstLabels: labels,
				Help: `Connections of a listener, "public", "private" or "admin"; of 16,384 at most idle ones make room.`,
			}, func() float64 { return float64(s.crowd.count()) })),
			reg.Register(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "cocoom_gateway_connections_turned_away_total", ConstLabels: labels,
				Help: "Connections that were closed, at once or because they were the idlest, to keep to what a listener, one client or large headers may take.",
			}, func() float64 { return float64(s.crowd.turned.Load()) })))
		if err != nil {
			return fmt.Errorf("register metrics of a listener: %w", err)
		}
	}
	return nil
}

// checks say whether the gateway can do its work, and whether a restart would
// help it.
func (p *program) checks() []admin.Check {
	return []admin.Check{
		{Name: "stop", Run: p.goesOn},
		{Name: "store", Run: func(ctx context.Context) error {
			var one int
			return p.store.Read().QueryRowContext(ctx, `SELECT 1`).Scan(&one)
		}},
		{Name: "sessions", Run: p.gateway.Ready},
		{Name: "deliveries", Run: p.relay.Ready},
		{Name: "keys", Run: func(context.Context) error { return p.keys.health.check(time.Now()) }},
		{Name: "configuration", Run: func(context.Context) error { return p.configuration().Check() }},
		{Name: "sessions", Run: p.gateway.Alive, Live: true},
		{Name: "deliveries", Run: p.relay.Alive, Live: true},
	}
}

// ringHealth is when the key rings could be read, and since when the keys in use
// are.
type ringHealth struct {
	mu      sync.Mutex
	inUse   map[string]time.Time // by ring
	failing time.Time            // since when they cannot be refreshed; zero: they can
	err     error
}

// noteRing notes since when the key in use of a ring is.
func (h *ringHealth) noteRing(purpose string, since time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.inUse == nil {
		h.inUse = map[string]time.Time{}
	}
	h.inUse[purpose] = since
}

// note notes how an attempt to refresh them all ended.
func (h *ringHealth) note(now time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch h.err = err; {
	case err == nil:
		h.failing = time.Time{}
	case h.failing.IsZero():
		h.failing = now
	}
}

// ages gives since when the keys in use are, by ring.
func (h *ringHealth) ages() map[string]time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	ages := make(map[string]time.Time, len(h.inUse))
	for purpose, since := range h.inUse {
		ages[purpose] = since
	}
	return ages
}

// check tells of rings that cannot be refreshed. That does no harm as long as new
// keys are announced only; then what other replicas seal could not be opened.
func (h *ringHealth) check(now time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failing.IsZero() {
		return nil
	}
	said := fmt.Sprintf("the key rings cannot be read since %s: %v", h.failing.Format(time.RFC3339), h.err)
	if now.Sub(h.failing) < keyAnnounce/2 {
		return admin.Notice(said)
	}
	return errors.New(said)
}
