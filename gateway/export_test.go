package gateway

import "context"

// RefreshRevocations does what Run does every second.
func (g *Gateway) RefreshRevocations(ctx context.Context) error {
	return g.sessions.revoked.refresh(ctx)
}

// Prune does what Run does every hour.
func (g *Gateway) Prune(ctx context.Context) error { return g.sessions.revoked.removeEnded(ctx) }
