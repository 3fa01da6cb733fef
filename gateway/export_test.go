package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/cocoom/cocoom-gateway/policy"
)

// RefreshRevocations does what Run does every second.
func (g *Gateway) RefreshRevocations(ctx context.Context) error {
	return g.sessions.revoked.refresh(ctx)
}

// Prune does what Run does every hour.
func (g *Gateway) Prune(ctx context.Context) error { return g.sessions.revoked.removeEnded(ctx) }

// CookieNames are those of a route's session and of a sign-in under way.
func CookieNames(rt *Route) []string { return []string{cookieName(rt), pendingPrefix(rt) + "t1-x"} }

// RefreshPeople does what Run does every second.
func (g *Gateway) RefreshPeople(ctx context.Context) error { return g.people.directory.refresh(ctx) }

// AskAboutPeople does what Run does every second, and waits for Slack.
func (g *Gateway) AskAboutPeople(ctx context.Context) error {
	defer g.people.rounds.asking.Wait()
	return g.people.round(ctx)
}

// ListPeopleAbove sets how many waiting people are listed all at once.
func (g *Gateway) ListPeopleAbove(n int) { g.people.rounds.listAbove = n }

// OpenSession does what every request to a route with login begins with.
func (g *Gateway) OpenSession(rt *Route, r *http.Request) *policy.Identity {
	return g.sessions.open(g.routes[rt.Host], r).who()
}

// VerifySlack is what every event has to pass.
var VerifySlack = verifySlack

// KeepToken replaces the own token that is kept of a person.
func (g *Gateway) KeepToken(ctx context.Context, host, user, access, refresh string, expires time.Time) error {
	key := personKey{host, g.routes[host].Workspace, user}
	sealed, err := g.people.sealToken(key, keptToken{Access: access, Refresh: refresh, Expires: expires.Unix(), Subject: user})
	if err != nil {
		return err
	}
	_, err = g.people.write(ctx, g.routes[host], report{key: key, asked: anyAge, partial: true, change: unchanged, token: &sealed})
	return err
}
