package gateway

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/labstack/echo/v4"
	"golang.org/x/oauth2"

	"github.com/cocoom/cocoom-gateway/policy"
)

// maxReturn bounds the return address, which travels within the OAuth state
// through addresses at Slack. A longer one loses its query.
const maxReturn = 3000

// logins brings people to Slack and back.
type logins struct {
	provider *provider
	people   *people
	sealer   *Sealer
	now      func() time.Time
	used     *lru.Cache[string, struct{}] // states that came back already
}

func newLogins(at Slack, sealer *Sealer, now func() time.Time) *logins {
	at = at.WithDefaults()
	used, _ := lru.New[string, struct{}](1 << 14) // fails only for a size below 1
	return &logins{
		provider: &provider{issuer: at.Issuer, client: newOpenIDClient(), now: now},
		people:   &people{apiURL: at.APIURL},
		sealer:   sealer, now: now, used: used,
	}
}

// askToSignIn answers a request that somebody signed in might make: a page is
// sent to Slack, a submitted form is kept or gets a page that says that it is
// not, and everything else 401 with the address to sign in.
func (g *Gateway) askToSignIn(x *exchange, c echo.Context) error {
	r := c.Request()
	switch classOf(r) {
	case navigation:
		return g.toSlack(x, c, returnPath(r.URL))
	case submission:
		return g.saveForm(x, c)
	default:
		return errSignIn.linking(g.loginURL(x.route, "/"))
	}
}

// loginURL is where a person signs in and then ends on path.
func (g *Gateway) loginURL(rt *Route, path string) string {
	return rt.Origin + g.cfg.Prefix + "/login?to=" + url.QueryEscape(path)
}

// startLogin is GET /login?to=PATH.
func (g *Gateway) startLogin(x *exchange, c echo.Context) error {
	return g.toSlack(x, c, localPath(c.QueryParam("to"), x.route.EncodedSlash))
}

// toSlack begins a sign-in that is to end on path.
func (g *Gateway) toSlack(x *exchange, c echo.Context, path string) error {
	d, err := g.logins.provider.get(c.Request().Context())
	if err != nil {
		return errSlackDown.because(err).linking(g.loginURL(x.route, path))
	}
	pending, secret := newPending(path, g.cfg.Now())
	state, err := g.logins.sealPending(x.route, pending)
	if err != nil {
		return fmt.Errorf("begin sign-in: %w", err)
	}
	setPendingCookie(x, c.Request(), x.route, pending, secret)
	x.Header().Set("Cache-Control", "no-store")
	oauth := g.logins.provider.oauth(d, x.route)
	return c.Redirect(http.StatusFound, oauth.AuthCodeURL(state,
		oauth2.SetAuthURLParam("nonce", pending.Nonce), oauth2.SetAuthURLParam("team", x.route.Workspace)))
}

// defaultCallback is the callback path for routes that do not set their own.
func (g *Gateway) defaultCallback(x *exchange, c echo.Context) error {
	if x.route.callback != g.cfg.Prefix+"/callback" {
		return errNotFound
	}
	return g.callback(x, c)
}

// callback is where Slack sends people back to. Everything that can be checked
// without Slack is checked before the one-time code is spent.
func (g *Gateway) callback(x *exchange, c echo.Context) error {
	r, rt := c.Request(), x.route
	x.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodGet {
		return errMethod
	}
	q := r.URL.Query()
	pending, err := g.logins.openPending(rt, q.Get("state"))
	if err != nil {
		return errState.because(err).linking(g.loginURL(rt, "/"))
	}
	again := g.loginURL(rt, pending.Return)
	if !pending.boundTo(rt, r) {
		// A second tab, after the first has signed in: no session is made here.
		if g.sessions.open(rt, r) != nil && !pending.expired(g.cfg.Now()) {
			return c.Redirect(http.StatusFound, rt.Origin+pending.Return)
		}
		return errState.because(errors.New("no cookie of this sign-in")).linking(again)
	}
	setCookie(x, rt, pendingPrefix(rt)+pending.ID, "", 0)
	if pending.expired(g.cfg.Now()) {
		return errState.because(errors.New("the sign-in took too long")).linking(again)
	}
	if code := q.Get("error"); code != "" {
		return slackRefusal(code).linking(again)
	}
	if iss := q.Get("iss"); iss != "" && iss != g.logins.provider.issuer { // RFC 9207
		return errState.because(errors.New("answer of another issuer")).linking(again)
	}
	if q.Get("code") == "" || !g.logins.useOnce(q.Get("state")) {
		return errState.because(errors.New("no code, or the state was used before")).linking(again)
	}
	id, err := g.logins.identify(r.Context(), rt, q.Get("code"), pending.Nonce)
	if err != nil {
		return link(err, again)
	}
	return g.signIn(x, c, id, pending.Return)
}

// identify turns the code into a person of the route's workspace.
func (l *logins) identify(ctx context.Context, rt *Route, code, nonce string) (policy.Identity, error) {
	c, err := l.provider.redeem(ctx, rt, code, nonce)
	if err != nil {
		return policy.Identity{}, err
	}
	// The team parameter is only a hint to Slack; this is the check.
	if c.Team == "" || c.Team != rt.Workspace {
		return policy.Identity{}, errWorkspace.because(fmt.Errorf("id token says team %s", clip(c.Team, 40)))
	}
	if c.User == "" {
		c.User = c.Subject // Slack's sub is the user id
	}
	if !plausibleID(c.User) {
		return policy.Identity{}, errSlackAnswer.because(errors.New("the user id is none"))
	}
	if !plausibleEmail(c.Email) || !bool(c.EmailVerified) {
		return policy.Identity{}, errEmail
	}
	id := policy.Identity{Team: c.Team, User: c.User, Email: c.Email, Name: plainName(c.Name)}
	if err := l.people.complete(ctx, rt, &id); err != nil {
		return policy.Identity{}, err
	}
	return id, nil
}

// plainName bounds a display name and removes control characters: it goes into
// the cookie, headers and pages.
func plainName(s string) string {
	s = strings.ToValidUTF8(s, "")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 80 {
		s = string(r[:80])
	}
	return s
}

// signIn gives the browser a new session and sends it to path.
func (g *Gateway) signIn(x *exchange, c echo.Context, id policy.Identity, path string) error {
	r, rt := c.Request(), x.route
	if old := g.sessions.open(rt, r); old != nil {
		// A browser holds one session; what it held before must not live on.
		if err := g.sessions.revoked.end(r.Context(), old, old.ends); err != nil {
			return errStore.because(err).linking(g.loginURL(rt, path))
		}
	}
	ss := g.sessions.begin(id)
	if err := g.record(r.Context(), rt, ss, r.UserAgent(), x.client.String()); err != nil {
		return errStore.because(err).linking(g.loginURL(rt, path))
	}
	if err := g.sessions.write(x, rt, ss); err != nil {
		return err
	}
	clearPendingCookies(x, r, rt)
	x.session = ss
	return c.Redirect(http.StatusFound, rt.Origin+path)
}

// record keeps a row of the session, for people and operators to see and end it.
func (g *Gateway) record(ctx context.Context, rt *Route, ss *session, device, address string) error {
	return g.cfg.Store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		begun := ss.begun.UnixMilli()
		_, err := tx.ExecContext(ctx, `INSERT INTO session (id, route, team, user_id, email, device, address, created_at, seen_at, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			ss.hash(), rt.Host, ss.identity.Team, ss.identity.User, ss.identity.Email,
			strings.ToValidUTF8(clip(device, 300), ""), address, begun, begun, ss.ends.UnixMilli())
		return err
	})
}

// slackRefusal turns the error that Slack's redirect brings into ours.
func slackRefusal(code string) *refusal {
	cause := fmt.Errorf("Slack answered %q", clip(code, 80))
	switch code {
	case "access_denied":
		return errCancelled.because(cause)
	case "invalid_team_for_non_distributed_app", "team_not_found", "invalid_team":
		return errWorkspace.because(cause)
	case "server_error", "temporarily_unavailable":
		return errSlackDown.because(cause)
	}
	return errSetup.because(cause)
}
