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

// TokenEnd is the moment from which a service token is refused.
func TokenEnd(t ServiceToken) time.Time { return t.end() }

// IsGlass reports whether a session cookie's session is one of a break-glass link.
func (g *Gateway) IsGlass(host, cookie string) bool {
	ss := g.sessions.unseal(g.routes[host], cookie)
	return ss != nil && ss.glass
}
