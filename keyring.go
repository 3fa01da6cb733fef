package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/doctor"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/proxy"
)

const (
	keyRotation = 30 * 24 * time.Hour  // a key is used for so long
	keyAnnounce = 48 * time.Hour       // and is known to replicas, and to apps that fetch keys daily, so long before
	keyOverlap  = 120 * 24 * time.Hour // what the last one sealed or signed stays good: longer than any session
	keyRefresh  = time.Minute          // how soon a key that another replica has made is known here
)

// keys are the rings that lie sealed in the store: one for what browsers hold,
// one that binds apps' cookies to people, and one for each algorithm that a route
// signs assertions with. They rotate by themselves.
type keys struct {
	store  *store.Store
	master store.Master

	reading sync.Mutex // an older ring must not replace a younger one
	listing sync.Mutex // never held for long
	algs    []string   // changed with both held, so that either is enough to read it

	sealer     gateway.Sealer
	appCookies proxy.CookieKeys
	signing    *proxy.Keys

	health ringHealth
}

// openKeys reads the rings, and makes them where the store is new.
func openKeys(ctx context.Context, st *store.Store, cfg *configs.Config) (*keys, error) {
	master, err := store.LoadMaster(cfg.State.Reveal(), cfg.MasterKey.Reveal())
	if err != nil {
		return nil, fmt.Errorf("load master key: %w", err)
	}
	k := &keys{store: st, master: master, algs: algorithms(cfg), signing: proxy.NewKeys()}
	return k, k.refresh(ctx, keyRotation)
}

// algorithms lists those with keys of ours; HS256 uses a secret of the route.
func algorithms(cfg *configs.Config) []string {
	algs := []string{"ES256"}
	for _, r := range cfg.Routes {
		switch alg := r.Assertion.Alg; alg {
		case "", "HS256":
		default:
			if !slices.Contains(algs, alg) {
				algs = append(algs, alg)
			}
		}
	}
	return algs
}

// need makes keys for the algorithms of a configuration that have none yet.
func (k *keys) need(ctx context.Context, cfg *configs.Config) error {
	k.reading.Lock()
	defer k.reading.Unlock()
	for _, alg := range algorithms(cfg) {
		if slices.Contains(k.algs, alg) {
			continue
		}
		if err := k.refreshSigning(ctx, keyRotation, alg); err != nil {
			return err
		}
		k.listing.Lock()
		k.algs = append(k.algs, alg)
		k.listing.Unlock()
	}
	return nil
}

// rotate makes new keys now rather than when they are due. They are used when
// everybody had the time to learn them; until then, to rotate again does nothing.
func (k *keys) rotate(ctx context.Context) error {
	return k.refresh(ctx, keyAnnounce+time.Millisecond)
}

// refresh reads the rings anew, and rotates those whose key has been in use for
// so long.
func (k *keys) refresh(ctx context.Context, rotation time.Duration) error {
	k.reading.Lock()
	defer k.reading.Unlock()
	ring, err := k.ring(ctx, rotation, "cookies", random32)
	if err != nil {
		return err
	}
	if err := k.sealer.Set(sealKeys(ring)); err != nil {
		return err
	}
	if ring, err = k.ring(ctx, rotation, "app-cookies", random32); err != nil {
		return err
	}
	bind := make([]proxy.CookieKey, len(ring))
	for i, key := range ring {
		bind[i] = proxy.CookieKey{ID: key.ID, Value: key.Value, ActiveFrom: key.ActiveFrom}
	}
	if err := k.appCookies.Set(bind); err != nil {
		return err
	}
	for _, alg := range k.algs {
		if err := k.refreshSigning(ctx, rotation, alg); err != nil {
			return err
		}
	}
	return nil
}

// purposes lists the rings that lie in the store.
func (k *keys) purposes() []string {
	list := []string{"cookies", "app-cookies"}
	k.listing.Lock()
	defer k.listing.Unlock()
	for _, alg := range k.algs {
		list = append(list, "assertions-"+alg)
	}
	return list
}

func random32() ([]byte, error) {
	b := make([]byte, 32)
	_, err := rand.Read(b)
	return b, err
}

func (k *keys) refreshSigning(ctx context.Context, rotation time.Duration, alg string) error {
	ring, err := k.ring(ctx, rotation, "assertions-"+alg, func() ([]byte, error) { return proxy.GenerateKey(alg) })
	if err != nil {
		return err
	}
	signing := make([]proxy.Key, len(ring))
	for i, key := range ring {
		if signing[i], err = proxy.ParseKey(key.ID, alg, key.Value); err != nil {
			return fmt.Errorf("parse signing key %s: %w", key.ID, err)
		}
		signing[i].ActiveFrom = key.ActiveFrom
	}
	return k.signing.Set(alg, signing)
}

func (k *keys) ring(ctx context.Context, rotation time.Duration, purpose string, generate func() ([]byte, error)) ([]store.Key, error) {
	spec := store.RingSpec{Purpose: purpose, Generate: generate, RotateEvery: rotation, AnnounceFor: keyAnnounce, KeepFor: keyOverlap}
	now, err := k.store.Now(ctx) // replicas share the database's clock
	if err != nil {
		return nil, fmt.Errorf("read key ring %s: %w", purpose, err)
	}
	ring, err := k.store.Ring(ctx, k.master, spec, now)
	if err != nil {
		return nil, fmt.Errorf("read key ring %s: %w", purpose, err)
	}
	k.health.noteRing(purpose, ring[0].ActiveFrom)
	return ring, nil
}

// sealKeys are those of a ring for cookies.
func sealKeys(ring []store.Key) []gateway.SealKey {
	seal := make([]gateway.SealKey, len(ring))
	for i, key := range ring {
		seal[i] = gateway.SealKey{ID: key.ID, Value: key.Value, ActiveFrom: key.ActiveFrom}
	}
	return seal
}

// follow refreshes the rings until ctx ends. Old keys go on working while the
// store cannot be read.
func (k *keys) follow(ctx context.Context, log *slog.Logger) error {
	tick := time.NewTicker(keyRefresh)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			err := k.refresh(ctx, keyRotation)
			if ctx.Err() == nil {
				k.health.note(time.Now(), err)
			}
			if err != nil && ctx.Err() == nil {
				log.Error("key rings cannot be refreshed; the known keys go on", "error", err)
			}
		}
	}
}

// known takes over the keys for cookies that are in the store.
func (k *keys) known(ctx context.Context) error {
	ring, err := k.store.ReadRing(ctx, k.master, "cookies")
	if err != nil {
		return err
	}
	if len(ring) == 0 {
		return errors.New("there are no keys for cookies yet")
	}
	if err := k.sealer.Set(sealKeys(ring)); err != nil {
		return fmt.Errorf("key ring cookies: %w", err)
	}
	return nil
}

// look reads the state of the rings, and changes nothing.
func (k *keys) look(ctx context.Context) ([]doctor.Ring, error) {
	now, err := k.store.Now(ctx)
	if err != nil {
		return nil, err
	}
	var list []doctor.Ring
	for _, purpose := range k.purposes() {
		ring, err := k.store.ReadRing(ctx, k.master, purpose)
		if err != nil {
			return nil, err
		}
		if len(ring) == 0 {
			continue
		}
		state := doctor.Ring{Purpose: purpose, Since: ring[0].ActiveFrom, Next: ring[0].ActiveFrom.Add(keyRotation)}
		if last := ring[len(ring)-1]; last.ActiveFrom.After(now) { // announced
			state.Next = last.ActiveFrom
		}
		list = append(list, state)
	}
	return list, nil
}
