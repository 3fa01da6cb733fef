package gateway

import (
	"context"
	"time"
)

// RefreshRevocations does what Run does every second.
func (g *Gateway) RefreshRevocations(ctx context.Context) error {
	return g.sessions.revoked.refresh(ctx)
}

// Prune does what Run does every hour.
func (g *Gateway) Prune(ctx context.Context) error { return g.sessions.revoked.removeEnded(ctx) }

// CookieNames are those of a route's session and of a sign-in under way.
func CookieNames(rt *Route) []string { return []string{cookieName(rt), pendingPrefix(rt) + "t1-x"} }

// SetPatience replaces bodyPatience for a test.
func (g *Gateway) SetPatience(d time.Duration) { g.drafts.patience = d }
