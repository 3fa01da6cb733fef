package gateway

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/cocoom/cocoom-gateway/policy"
)

// RefreshRevocations does what Run does every second.
func (g *Gateway) RefreshRevocations(ctx context.Context) error {
	return g.sessions.revoked.refresh(ctx)
}

// Prune does what Run does every hour.
func (g *Gateway) Prune(ctx context.Context) error { return g.sessions.revoked.removeEnded(ctx) }

// EndStreams does what Run does every second, and after each revocation.
func (g *Gateway) EndStreams() { g.endStreams() }

// WriteSeen does what Run does every half minute.
func (g *Gateway) WriteSeen(ctx context.Context) error { return g.writeSeen(ctx) }

// Streams counts the exchanges that would end with their session now.
func (g *Gateway) Streams() (n int) {
	g.live.each(func(x *exchange) {
		if x.lasts(g.cfg.Now()) {
			n++
		}
	})
	return n
}

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
	for k := range map[string]map[string]string{"en": setupEnglish, "fr": setupFrench}[lang] {
		keys = append(keys, "setup "+k)
	}
	for k := range map[string]map[string]string{"en": scopesEnglish, "fr": scopesFrench}[lang] {
		keys = append(keys, "scope "+k)
	}
	slices.Sort(keys)
	return keys
}

// Device is a User-Agent in the words of a language.
func Device(lang, userAgent string) string { return deviceIn(lang, deviceOf(userAgent)) }

// Judge does what ServeHTTP does about a request before it is carried: finds the
// route, the one spelling of the path, the session, and what policy says.
func (g *Gateway) Judge(r *http.Request) policy.Verdict {
	rt := g.routes().find(r.Host)
	r, err := canonical(r, rt.EncodedSlash)
	if err != nil {
		panic(err)
	}
	ss := g.sessions.open(rt, r)
	return rt.Policy.Decide(policy.Request{Method: r.Method, Path: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery}, ss.who()).Verdict
}

// Cookie begins a session without Slack, and gives its cookie.
func (g *Gateway) Cookie(host string, id policy.Identity) *http.Cookie {
	rec := cookieJar{}
	if err := g.sessions.write(rec, g.routes()[host], g.sessions.begin(g.routes()[host], id)); err != nil {
		panic(err)
	}
	return (&http.Response{Header: http.Header(rec)}).Cookies()[0]
}

// cookieJar is the ResponseWriter of Cookie.
type cookieJar http.Header

func (c cookieJar) Header() http.Header       { return http.Header(c) }
func (cookieJar) Write(b []byte) (int, error) { return len(b), nil }
func (cookieJar) WriteHeader(int)             {}

// Frames gives the lengths of the pieces that a stream of WebSocket frames, read
// n bytes at a time, falls into.
func Frames(stream []byte, n int) (pieces []int) {
	var f frames
	piece := 0
	for len(stream) > 0 {
		step := f.next(stream[:min(n, len(stream))])
		piece, stream = piece+step, stream[step:]
		if f.between() {
			pieces, piece = append(pieces, piece), 0
		}
	}
	return pieces
}

// Socket is the client's side of a WebSocket over conn; end closes it.
func Socket(conn net.Conn, hangUp context.CancelFunc) (_ net.Conn, end func()) {
	s := newSocket(conn)
	return s, func() { s.end(sessionEnded, hangUp) }
}

// LongAnswer is how old an answer must be to end with its session.
const LongAnswer = time.Second

// Begin begins a session without Slack, with its row, and gives its cookie.
func (g *Gateway) Begin(ctx context.Context, host string, id policy.Identity, userAgent string) (*http.Cookie, error) {
	rt, ss, rec := g.routes()[host], g.sessions.begin(g.routes()[host], id), cookieJar{}
	if err := g.cfg.Store.Write(ctx, insertSession(rt, ss, userAgent, "192.0.2.1")); err != nil {
		return nil, err
	}
	err := g.sessions.write(rec, rt, ss)
	return (&http.Response{Header: http.Header(rec)}).Cookies()[0], err
}

// TokenEnd is the moment from which a service token is refused.
func TokenEnd(t ServiceToken) time.Time { return t.end() }

// IsGlass reports whether a session cookie's session is one of a break-glass link.
func (g *Gateway) IsGlass(host, cookie string) bool {
	ss := g.sessions.unseal(g.routes()[host], cookie)
	return ss != nil && ss.glass
}

// RefreshPeople does what Run does every second.
func (g *Gateway) RefreshPeople(ctx context.Context) error { return g.people.directory.refresh(ctx) }

// AskAboutPeople does what Run does every second, and waits for Slack.
func (g *Gateway) AskAboutPeople(ctx context.Context) error {
	defer g.people.rechecks.asking.Wait()
	return g.people.recheckDue(ctx)
}

// ListPeopleAbove sets how many waiting people are listed all at once.
func (g *Gateway) ListPeopleAbove(n int) { g.people.rechecks.listAbove = n }

// OpenSession does what every request to a route with login begins with.
func (g *Gateway) OpenSession(rt *Route, r *http.Request) *policy.Identity {
	return g.sessions.open(g.routes()[rt.Host], r).who()
}

// VerifySlack is what every event has to pass.
var VerifySlack = verifySlack

// KeepToken replaces the own token that is kept of a person.
func (g *Gateway) KeepToken(ctx context.Context, host, user, access, refresh string, expires time.Time) error {
	key := personKey{host, g.routes()[host].Workspace, user}
	sealed, err := g.people.sealToken(key, keptToken{Access: access, Refresh: refresh, Expires: expires.Unix(), Subject: user})
	if err != nil {
		return err
	}
	_, err = g.people.write(ctx, g.routes()[host], report{key: key, asked: anyAge, partial: true, change: unchanged, token: &sealed})
	return err
}

// SetPatience replaces bodyPatience for a test.
func (g *Gateway) SetPatience(d time.Duration) { g.drafts.patience = d }

// FollowRoutes has the counters follow a table of these hosts alone.
func (g *Gateway) FollowRoutes(hosts ...string) {
	t := table{}
	for _, host := range hosts {
		t[host] = g.routes()[host]
	}
	g.counters.follow(t)
}

// LookAt has the list of ended sessions looked at last at a time.
func (g *Gateway) LookAt(at time.Time) { g.sessions.revoked.looked.Store(&at) }

// SetAppChanged replaces who is told that an app was set up.
func (g *Gateway) SetAppChanged(told func()) { g.cfg.AppChanged = told }
