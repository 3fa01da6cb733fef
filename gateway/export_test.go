package gateway

import (
	"context"
	"fmt"
	"slices"
)

// RefreshRevocations does what Run does every second.
func (g *Gateway) RefreshRevocations(ctx context.Context) error {
	return g.sessions.revoked.refresh(ctx)
}

// Prune does what Run does every hour.
func (g *Gateway) Prune(ctx context.Context) error { return g.sessions.revoked.removeEnded(ctx) }

// CookieNames are those of a route's session and of a sign-in under way.
func CookieNames(rt *Route) []string { return []string{cookieName(rt), pendingName(rt, 7)} }

// PendingSlots is how many cookies the sign-ins under way in a browser may have.
const PendingSlots = pendingSlots

// PageStyle is the style sheet of every page.
var PageStyle = pageStyle

// TextKeys are what the texts of a language are found by, with their labels.
func TextKeys(lang string) (keys []string) {
	for k, t := range texts[lang] {
		keys = append(keys, fmt.Sprint(k, " ", t.Title != "", " ", len(t.Text), " ", t.Link != ""))
	}
	for k := range labels[lang] {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
