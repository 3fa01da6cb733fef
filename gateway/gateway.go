package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/cocoom/cocoom-gateway/internal/slackapi"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/throttle"
	"github.com/cocoom/cocoom-gateway/policy"
	"github.com/cocoom/cocoom-gateway/proxy"
)

// Config is all that a Gateway needs. Nothing in it is read from the outside
// again; Settings hold until others are applied.
type Config struct {
	Settings               // may be exchanged; see Prepare
	Prefix   string        // reserved prefix, such as "/.gateway"
	Sealer   *Sealer       // seals cookies and login states
	JWKS     func() []byte // the public signing keys, as a JWK set
	Store    *store.Store  // what lasts: sessions, revocations, people, saved forms, links, the audit
	Log      *slog.Logger
	Now      func() time.Time // nil: time.Now
	// PersonChanged is told when Slack says that something about a person of a
	// route's workspace has changed, whether they have ever signed in or not. It
	// must return at once. nil: nobody cares.
	PersonChanged func(host, user string)
	// Metrics takes what is counted; nil: nothing is.
	Metrics prometheus.Registerer
	// Tracer takes a span of each request; nil: there are no traces, and the app
	// gets the client's W3C Trace Context as it came.
	Tracer trace.Tracer
	Master store.Master // seals the Slack apps that workspaces' admins set up
	// AppChanged is told when such an app was set up, replaced or forgotten, so that
	// the routes are to be built anew. It must return at once. nil: nobody cares.
	AppChanged func()
	// Messenger sends the test messages of a set-up.
	Messenger Messenger
	// Throttle bounds what strangers try in vain; nil: a new one does.
	Throttle *throttle.Limits
}

// Gateway serves every route's public host. It is safe for concurrent use.
type Gateway struct {
	cfg      Config // its Settings are those of New; conf has those in force
	conf     *inForce
	sessions *sessions
	logins   *logins
	live     live
	people   *people
	events   *events
	drafts   *drafts
	counters *counters
	calls    *slackapi.Calls
	echo     *echo.Echo
	counted  lastCount
	lines    throttle.Lines // to where codes are exchanged
	gate     throttle.Gate  // of what costs Slack or the store something, and nobody has a right to yet

	installClient *http.Client           // asks Slack about apps that are being set up
	icon          func() ([]byte, error) // of the Slack app, as PNG
	stopping      context.Context        // ends with Stop
	stop          context.CancelFunc
}

// New builds a Gateway and reads the list of revocations; it fails when a host
// stands twice or the store cannot be read.
func New(ctx context.Context, cfg Config) (*Gateway, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Throttle == nil {
		cfg.Throttle = throttle.New(cfg.Log, cfg.Now)
	}
	calls, err := slackapi.NewCalls(cfg.Metrics, cfg.Tracer, "people")
	if err != nil {
		return nil, err
	}
	g := &Gateway{cfg: cfg, conf: new(inForce), calls: calls, drafts: newDrafts(cfg.Sealer, cfg.Store, cfg.Now)}
	first, err := g.configure(cfg.Settings)
	if err != nil {
		return nil, err
	}
	g.conf.Store(first)
	revoked, err := loadRevocations(ctx, cfg.Store, g.conf, cfg.Now)
	if err != nil {
		return nil, fmt.Errorf("read revocations: %w", err)
	}
	if g.people, err = newPeople(ctx, cfg, g.conf, revoked); err != nil {
		return nil, err
	}
	g.people.calls = calls
	g.sessions = newSessions(cfg.Sealer, revoked, g.people, cfg.Now)
	g.logins = newLogins(g.people, cfg.Sealer, cfg.Now)
	g.events = newEvents(g.people, cfg.PersonChanged)
	g.installClient, g.icon = newOpenIDClient(), sync.OnceValues(drawIcon)
	g.stopping, g.stop = context.WithCancel(context.Background())
	if g.counters, err = newCounters(g, cfg.Metrics); err != nil {
		return nil, err
	}
	g.counters.follow(first.routes)
	g.mount()
	return g, nil
}

// Run keeps the list of revocations and what is known of people fresh, ends
// streams with their sessions, writes down when sessions were last seen, and
// removes rows of what is over, until ctx ends.
func (g *Gateway) Run(ctx context.Context) error {
	var work sync.WaitGroup
	for _, task := range []func(context.Context, *slog.Logger){
		g.sessions.revoked.follow, g.sessions.revoked.prune, g.people.directory.follow, g.people.keepFresh, g.sweep, g.watch,
	} {
		work.Go(func() { task(ctx, g.cfg.Log) })
	}
	work.Wait()
	return nil
}

// Ready is nil while it is known which sessions were ended; before they are no
// longer honoured, an error says when that will be.
func (g *Gateway) Ready(context.Context) error { return g.sessions.revoked.ready() }

// Alive is nil unless what follows the list of ended sessions is stuck although
// the store answers: a restart helps then, and then alone.
func (g *Gateway) Alive(ctx context.Context) error { return g.sessions.revoked.alive(ctx) }

// mount is every path that the gateway itself answers, on every host. All else
// goes to front. No Echo middleware is used: what has to happen before the
// routing (host, path, access log) must also happen for requests that Echo
// would not route.
func (g *Gateway) mount() {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = g.writeError
	e.IPExtractor = echo.ExtractIPDirect()
	e.SchemeExtractor = echo.ExtractSchemeDirect()
	p := g.cfg.Prefix

	// RouteNotFound takes every method: Echo's own routes would leave those
	// that a page does not serve to the routes below.
	page := func(path string, h echo.HandlerFunc, methods ...string) {
		e.RouteNotFound(path, func(c echo.Context) error {
			exchangeOf(c.Response()).forNobodyElse()
			if slices.Contains(methods, c.Request().Method) {
				return h(c)
			}
			c.Response().Header().Set("Allow", strings.Join(methods, ", "))
			return errMethod
		})
	}
	page(p, login(g.account), "GET", "HEAD")
	page(p+"/", login(g.account), "GET", "HEAD")
	page(p+"/login", login(g.startLogin), "GET")
	e.RouteNotFound(p+"/callback", login(g.defaultCallback))
	page(p+"/sign-out", login(g.signOut), "GET", "HEAD", "POST")
	page(p+"/sign-out-everywhere", login(g.signOutEverywhere), "GET", "HEAD", "POST")
	page(p+"/signed-out", login(g.signedOut), "GET", "HEAD")
	page(p+"/me", login(g.me), "GET", "HEAD")
	page(p+"/break-glass", login(g.breakGlass), "GET", "HEAD", "POST")
	page(p+"/setup", managedOnly(g.setup), "GET", "HEAD", "POST")
	page(p+"/setup/secrets", managedOnly(g.setupSecrets), "POST")
	page(p+"/setup/install", managedOnly(g.setupInstall), "GET")
	page(p+"/setup/installed", managedOnly(g.setupInstalled), "GET")
	page(p+"/setup/message", managedOnly(g.setupMessage), "POST")
	page(p+"/setup/finish", managedOnly(g.setupFinish), "POST")
	page(p+"/setup/icon.png", with(g.setupIcon), "GET", "HEAD")
	page(p+"/slack/events", with(g.slackEvents), "POST")
	page(p+"/form", login(g.savedForm), "GET", "HEAD")
	page(p+"/jwks.json", with(g.jwks), "GET", "HEAD")
	page(p+probePage, with(g.probe), "GET")
	for _, path := range []string{p + "/v1", p + "/v1/*", p + "/services/*", p + "/slack/api/*"} {
		e.RouteNotFound(path, with(g.notify))
	}
	e.RouteNotFound(p+"/*", with(g.noSuchPage))
	e.RouteNotFound("/*", with(g.front))
	g.echo = e
}

// handler answers one exchange of a known route.
type handler func(x *exchange, c echo.Context) error

// with gives h the exchange that ServeHTTP has opened.
func with(h handler) echo.HandlerFunc {
	return func(c echo.Context) error { return h(exchangeOf(c.Response()), c) }
}

// login is with, for pages that only routes with login have.
func login(h handler) echo.HandlerFunc {
	return with(func(x *exchange, c echo.Context) error {
		if x.route.Login == nil {
			return errNotFound
		}
		return h(x, c)
	})
}

// ServeHTTP takes a request from the public listener.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := g.open(w, r)
	r = g.traced(x, r)
	defer g.finish(x, r)
	x.peer(x.conf.peers, r)
	x.Header().Set("X-Request-Id", x.id)

	asked, err := g.locate(x, r)
	if err != nil {
		x.refuse(r, err)
		return
	}
	g.echo.ServeHTTP(x, asked)
}

// locate finds the route of a request, and gives r with its path in the one
// spelling; the error is a refusal.
func (g *Gateway) locate(x *exchange, r *http.Request) (*http.Request, error) {
	if !served(r.Method) {
		if r.ProtoMajor == 1 {
			x.Header().Set("Connection", "close") // what follows may be a tunnel's bytes
		}
		return r, errUnserved
	}
	if x.route = x.conf.routes.find(r.Host); x.route == nil {
		return r, errUnknownHost
	}
	out, err := canonical(r, x.route.EncodedSlash)
	if err != nil {
		return r, errPath.because(err)
	}
	x.path = out.URL.EscapedPath()
	return out, g.takeToken(x, out)
}

// errTarget is a path or query with a "#" as it stands, where Apache, nginx and
// PHP end the query ("?page=admin#" is "?page=admin" to them), or a space, where
// the request line ends. RFC 9112 section 3.2 has neither; over HTTP/2 both get
// through all the same.
var errTarget = errors.New("a space or # stands in it unencoded")

// canonical gives r with its path in the one spelling that is both matched and
// forwarded; r itself when that is how it came.
func canonical(r *http.Request, encodedSlash bool) (*http.Request, error) {
	given := r.URL.EscapedPath()
	if r.Method == http.MethodOptions && given == "*" {
		given = "/" // "OPTIONS *" asks about the server: there is none but the app
	}
	if strings.ContainsAny(r.URL.RawPath, " #") || strings.ContainsAny(r.URL.RawQuery, " #") {
		return r, errTarget
	}
	path, err := policy.NormalizePath(given, encodedSlash)
	if err != nil {
		return r, err
	}
	if path == given && r.URL.Path != "*" {
		return r, nil
	}
	u := *r.URL
	if u.Path, err = url.PathUnescape(path); err != nil {
		return r, err
	}
	u.RawPath = path
	out := *r
	out.URL = &u
	return &out, nil
}

// front answers every request that is not for the gateway itself.
func (g *Gateway) front(x *exchange, c echo.Context) error {
	r, rt := c.Request(), x.route
	path := r.URL.EscapedPath()
	if rt.place(g.cfg.Prefix, path) == atCallback {
		return g.callback(x, c)
	}
	leaving, err := rt.leaves(r, path), g.decide(x, r)
	if (err == nil || err == errSignIn) && mayBeButton(rt, r) {
		var no error
		if r, no = g.sendForm(x, r); no != nil {
			return no
		}
	}
	switch {
	case leaving && (err == errSignIn || err != nil && asRefusal(err).code == errMaintenance.code):
		return g.leaveUnasked(x, c)
	case err == errSignIn:
		return g.askToSignIn(x, c)
	case err != nil:
		return err
	case rt.Upstream == nil:
		return errNotFound // another proxy carries requests to the app
	}
	x.unread = false // the app reads it
	in := proxy.Inbound{Who: x.session.principal(), ForwardedFor: x.forwardedFor, RequestID: x.id, Public: x.decision.Reason == "public", SigningOut: leaving, Stopping: g.stopping, Trip: &x.trip}
	g.toApp(x, r, &in)
	if leaving && g.sessions.read(rt, r) != nil {
		// Not in live: the session is over before the app says goodbye.
		rt.Upstream.Serve(g.leave(x, r), r, in)
		return nil
	}
	g.slide(x, r)
	g.live.carry(x, r, g.cfg.Now, func(r *http.Request) { rt.Upstream.Serve(x, r, in) })
	return nil
}

// decide finds out who asks for something of the route's app, and whether they
// may: x gets the session and the decision. The path of r must be canonical.
// The error is nil to let it pass, errSignIn to ask who it is, or a refusal.
func (g *Gateway) decide(x *exchange, r *http.Request) error {
	rt := x.route
	switch {
	case rt.place(g.cfg.Prefix, r.URL.EscapedPath()) != atApp:
		return errNotFound
	case wantsWebSocket(r) && !rt.ownOrigin(r):
		return rt.foreign(r)
	}
	foreign := false
	if rt.Login != nil && x.token == nil {
		x.session = g.sessions.open(rt, r)
		if foreign = x.session != nil && !rt.usesSession(r); foreign {
			x.session = nil
		}
	}
	var err error
	x.decision, err = rt.decide(r, asker{x.session.who(), x.token, x.client, x.begun})
	if foreign && err == errSignIn { // which would not help
		err = rt.foreign(r)
	}
	return err
}

// slide renews the session of who opens a page.
func (g *Gateway) slide(x *exchange, r *http.Request) {
	if x.session != nil && classOf(r) == navigation {
		g.sessions.slide(x, x.route, x.session)
	}
}

// under reports whether path, in any reading that servers make of it, and
// without regard to case, lies below prefix. Echo has routed every plain spelling
// already; what is left here must not reach an upstream either, which may well
// be a server that reads it so.
func under(prefix, path string) bool {
	below := func(path string) bool {
		return len(path) >= len(prefix) && strings.EqualFold(path[:len(prefix)], prefix) && (len(path) == len(prefix) || path[len(prefix)] == '/')
	}
	return below(path) || slices.ContainsFunc(policy.OtherReadings(path), below)
}

func (g *Gateway) noSuchPage(*exchange, echo.Context) error { return errNotFound }

// notify hands the request to the route's notification API, as /v1/…,
// /services/… or /slack/api/….
func (g *Gateway) notify(x *exchange, c echo.Context) error {
	if x.route.Notify == nil {
		return errNotFound
	}
	r := c.Request()
	x.forNobodyElse()
	r.Header.Set("X-Request-Id", x.id)
	http.StripPrefix(g.cfg.Prefix, x.route.Notify).ServeHTTP(x, x.forNotify(r))
	return nil
}

// forNotify is r as the notification API gets it: from the client itself, as far
// as proxies that we trust name one.
func (x *exchange) forNotify(r *http.Request) *http.Request {
	inner := new(http.Request)
	*inner = *r
	if x.unread { // until the API begins to read it, which it does not for everybody
		inner.Body = &awaitedBody{ReadCloser: r.Body, exchange: x}
	}
	inner.RemoteAddr = ""
	if x.client.IsValid() {
		inner.RemoteAddr = netip.AddrPortFrom(x.client, 0).String()
	}
	return inner
}

// jwks publishes the keys that verify every route's assertions.
func (g *Gateway) jwks(x *exchange, c echo.Context) error {
	x.forNobodyElse().Set("Cache-Control", "public, max-age=300")
	return c.Blob(http.StatusOK, "application/jwk-set+json", g.cfg.JWKS())
}

// finish ends the exchange: a panic becomes a 500 page, and one line is logged.
func (g *Gateway) finish(x *exchange, r *http.Request) {
	if p := recover(); p != nil {
		if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			g.tell(x, r)
			panic(p) // net/http closes the connection, so that the client sees the cut
		}
		g.cfg.Log.Error("request panicked", "request_id", x.id, "panic", fmt.Sprint(p), "stack", stack())
		x.refuse(r, errInternal)
	}
	g.tell(x, r)
}

// tell says of an exchange that is over what came of it: to the log, the metrics
// and the traces.
func (g *Gateway) tell(x *exchange, r *http.Request) {
	path := g.loggedPath(cmp.Or(x.path, r.URL.EscapedPath()))
	g.counters.end(x)
	x.endSpans(r, path)
	if g.told(x) {
		x.log(g.cfg.Log, r, path, g.cfg.Now())
	}
}
