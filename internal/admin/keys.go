package admin

import (
	"context"
	"net/url"
)

// Keys are the gateway's keys, as far as operators handle them.
type Keys struct {
	PEM    func() map[string]string        // the public keys of assertions by their ids
	Rotate func(ctx context.Context) error // makes new keys, announced before they are used
}

// keys is GET /keys.
func (cfg Config) keys(context.Context, url.Values) (any, error) { return cfg.Keys.PEM(), nil }

// rotate is POST /keys/rotate. It is written down first: to have asked is what
// matters, and keys that are announced already change nothing.
func (cfg Config) rotate(ctx context.Context, who Operator) (any, error) {
	if err := cfg.Gateway.Audit(ctx, who.By, "keys.rotated", ""); err != nil {
		return nil, err
	}
	return nil, cfg.Keys.Rotate(ctx)
}
