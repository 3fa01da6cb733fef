package main

import (
	"context"
	"log/slog"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/doctor"
	"github.com/cocoom/cocoom-gateway/internal/store"
)

// doctor examines the running gateway.
func (p *program) doctor() *doctor.Doctor {
	return doctor.New(doctor.Config{
		Config: p.current.served(), Store: p.store, Running: true, Rings: p.keys.look, Answered: p.keys.sealer.Answered,
		Alarms: p.alarms, Witness: p.gateway.Witness,
		Pending: func() (string, []string) { c := p.configuration(); return c.Error, c.Restart },
	})
}

// alarms are those of all parts.
func (p *program) alarms() []doctor.Alarm {
	var list []doctor.Alarm
	for _, a := range p.relay.Alarms() {
		list = append(list, doctor.Alarm{Route: a.Route, Kind: a.Kind, Reason: a.Reason, Since: a.Since})
	}
	for _, a := range p.gateway.Alarms() {
		list = append(list, doctor.Alarm{Route: a.Route, Kind: a.Kind, Reason: a.Reason, Since: a.Since})
	}
	for _, a := range p.certificateAlarms() {
		list = append(list, doctor.Alarm{Route: a.Route, Kind: a.Kind, Reason: a.Meaning, Since: a.Since})
	}
	return list
}

// beside examines by the configuration alone, where no gateway runs, or one that
// cannot be asked. It looks into the store, but writes nothing there. The caller
// calls done at the end.
func beside(ctx context.Context, cfg *configs.Config) (d *doctor.Doctor, done func() error) {
	c := doctor.Config{Config: cfg}
	c.Store, c.StoreError = store.OpenReadOnly(ctx, cfg.State.Reveal())
	if c.StoreError != nil {
		return doctor.New(c), func() error { return nil }
	}
	k := &keys{store: c.Store, algs: algorithms(cfg)}
	var err error
	if k.master, err = store.ReadMaster(cfg.State.Reveal(), cfg.MasterKey.Reveal()); err == nil {
		err = k.known(ctx)
	}
	if err == nil {
		c.Answered = k.sealer.Answered
		var apps map[string]gateway.ManagedApp
		if apps, err = gateway.NewManagedApps(c.Store, k.master, slog.New(slog.DiscardHandler)).Read(ctx); err == nil {
			c.Config = managed(cfg, apps)
		}
	}
	c.Rings = func(ctx context.Context) ([]doctor.Ring, error) {
		if err != nil {
			return nil, err
		}
		return k.look(ctx)
	}
	return doctor.New(c), c.Store.Close
}
