package gateway

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/labstack/echo/v4"

	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/policy"
)

// logins brings people to Slack and back.
type logins struct {
	people *people
	sealer *Sealer
	now    func() time.Time
	used   *lru.Cache[string, struct{}]  // states that came back already
	told   *lru.Cache[string, time.Time] // when the log was last told of a route's mistake
	slots  atomic.Uint32                 // cookies of sign-ins under way, handed out in turn

	witnesses *witnesses
}

func newLogins(people *people, sealer *Sealer, now func() time.Time) *logins {
	used, _ := lru.New[string, struct{}](1 << 14) // fails only for a size below 1
	told, _ := lru.New[string, time.Time](1 << 12)
	return &logins{people: people, sealer: sealer, now: now, used: used, told: told, witnesses: &witnesses{}}
}

// askToSignIn answers a request that somebody signed in might make: a page is
// sent to Slack, a submitted form is kept or gets a page that says that it is
// not, and everything else 401 with the address to sign in.
func (g *Gateway) askToSignIn(x *exchange, c echo.Context) error {
	r := c.Request()
	if no := g.sessions.why(x.route, r); no != nil {
		if no.link == "" {
			return no.linking(g.loginURL(x.route, "/"))
		}
		return no
	}
	switch classOf(r) {
	case navigation:
		return g.beginRound(x, c, returnPath(r.URL), 0)
	case submission:
		if !x.route.usesSession(r) { // nor will it once signed in
			return x.route.foreign(r)
		}
		return g.saveForm(x, c)
	default:
		return g.signInFor(x, errSignIn, "/")
	}
}

// signInFor refuses what needs a sign-in that ends on path; while no session can
// be checked, a sign-in would not help either.
func (g *Gateway) signInFor(x *exchange, why *refusal, path string) *refusal {
	if g.sessions.revoked.stale(g.cfg.Now()) {
		return errUnchecked.linking(x.route.Origin + path)
	}
	return why.linking(g.loginURL(x.route, path))
}

// loginURL is where a person signs in and then ends on path.
func (g *Gateway) loginURL(rt *Route, path string) string {
	return rt.Origin + g.cfg.Prefix + "/login?to=" + url.QueryEscape(path)
}

// defaultCallback is the callback path for routes that do not set their own.
func (g *Gateway) defaultCallback(x *exchange, c echo.Context) error {
	if x.route.callback != g.cfg.Prefix+"/callback" {
		return errNotFound
	}
	return g.callback(x, c)
}

// callback is where Slack sends people back to. Who has a session by now, from
// another tab, is just sent on: no other one is made.
func (g *Gateway) callback(x *exchange, c echo.Context) error {
	g.logins.witnesses.sees(x.route, x, c.Request())
	err := g.comeBack(x, c)
	g.logins.witnesses.tells(x.route, err)
	return err
}

func (g *Gateway) comeBack(x *exchange, c echo.Context) error {
	r, rt := c.Request(), x.route
	x.forNobodyElse()
	if r.Method != http.MethodGet {
		x.Header().Set("Allow", "GET")
		return errMethod
	}
	if !rt.connected() {
		return errNotConnected
	}
	pending, err := g.logins.openPending(rt, c.QueryParam("state"))
	if err != nil {
		return g.failed(x, countCallbacks, failureBudget, errState.because(err).linking(g.loginURL(rt, "/")))
	}
	if x.session = g.sessions.open(rt, r); x.session != nil {
		g.succeeds(x, r)
		return g.sendOn(x, c, pending.Return)
	}
	if err := g.finishRound(x, c, pending); err != nil {
		return g.failRound(x, c, pending, err)
	}
	return nil
}

// finishRound signs the person in. Everything that can be checked without
// Slack is checked before the one-time code is spent.
func (g *Gateway) finishRound(x *exchange, c echo.Context, pending pendingLogin) error {
	r, rt, q := c.Request(), x.route, c.QueryParams()
	if iss := q.Get("iss"); iss != "" && iss != x.conf.provider.issuer { // RFC 9207
		return errState.because(errors.New("answer of another issuer"))
	}
	if name := q.Get("error"); name != "" {
		return redirectRefusal(name)
	}
	expired := pending.expired(g.cfg.Now())
	switch {
	case !expired && pending.boundTo(rt, r):
	case pending.Round == 0:
		// Another tab's sign-in cleared the cookie, or the person took too long.
		return g.beginRound(x, c, pending.Return, 1)
	case expired:
		return errState.because(errors.New("the sign-in took too long"))
	default:
		return errCookies.because(errors.New("no cookie of this sign-in"))
	}
	done, no := g.mayExchange(x, r)
	if no != nil {
		return no.linking(rt.Origin + r.URL.RequestURI())
	}
	if q.Get("code") == "" || !g.logins.useOnce(q.Get("state")) {
		done(nil)
		return errState.because(errors.New("no code, or the state was used before"))
	}
	id, err := g.logins.identify(r.Context(), rt, q.Get("code"), pending.Nonce)
	if done(err); err != nil {
		return err
	}
	g.succeeds(x, r)
	return g.signIn(x, c, id, g.again(q.Get("state")))
}

// identify turns the code into a person of the route's workspace.
func (l *logins) identify(ctx context.Context, rt *Route, code, nonce string) (policy.Identity, error) {
	c, err := rt.conf.provider.redeem(ctx, rt, code, nonce)
	if err != nil {
		return policy.Identity{}, err
	}
	l.witnesses.hears(rt, c)
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
	if err := l.people.arrive(ctx, rt, &id, newKeptToken(c.token, c.Subject)); err != nil {
		return policy.Identity{}, err
	}
	return id, nil
}

// plainName bounds a display name and removes control characters, and those that
// turn what follows round, so that it reads as another: it goes into the cookie,
// headers and pages.
func plainName(s string) string {
	s = strings.ToValidUTF8(s, "")
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
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
	if err := g.sessions.endHeld(rt, r); err != nil {
		return errStore.because(err).linking(g.loginURL(rt, path))
	}
	ss := g.sessions.begin(rt, id)
	if err := g.cfg.Store.Write(r.Context(), insertSession(rt, ss, r.UserAgent(), x.client.String())); err != nil {
		return errStore.because(err).linking(g.loginURL(rt, path))
	}
	if err := g.sessions.write(x, rt, ss); err != nil {
		return err
	}
	x.session = ss
	rt.signedIn("ok")
	return x.redirect(c, http.StatusFound, rt.Origin+path)
}

// insertSession writes the row of a session that begins, for people and
// operators to see and end it.
func insertSession(rt *Route, ss *session, userAgent, address string) store.Func {
	return func(ctx context.Context, tx *sql.Tx) error {
		begun := ss.begun.UnixMilli()
		_, err := tx.ExecContext(ctx, `INSERT INTO session (id, route, team, user_id, email, device, address, created_at, seen_at, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			ss.sum.String(), rt.Host, ss.identity.Team, ss.identity.User, ss.identity.Email,
			deviceOf(userAgent), address, begun, begun, ss.ends.UnixMilli())
		return err
	}
}
