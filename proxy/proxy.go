package proxy

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Config is what a Proxy of one route is made of.
type Config struct {
	Origin    string // the route's public origin, such as https://agrafmania.cocoom.com; the assertion's issuer
	Host      string // the route's host, without a port
	Upstream  Upstream
	Headers   Headers
	Assertion Assertion
	Login     UpstreamLogin
	Keys      *Keys // sign assertions; not needed for HS256
	// AppCookies are bound to people with CookieKeys, which they need.
	AppCookies AppCookies
	CookieKeys *CookieKeys
	// Notify takes the notifications that the app asks for in X-Notify headers;
	// nil: they are removed, and nobody is told.
	Notify Notify
	Log    *slog.Logger
	// Error writes the page for a status: 400, 405, 408, 413, 499, 500, 502 or 504;
	// 403 if the app's login form does not accept the person's account, and 503
	// if the login cannot be gone through.
	// nil writes one line of text.
	Error func(w http.ResponseWriter, r *http.Request, status int)
	Now   func() time.Time // nil: time.Now
}

// Proxy carries requests to the app of one route. It is safe for concurrent use.
type Proxy struct {
	*Identifier

	host      string // of the route, for logs
	target    *url.URL
	sentHost  string // the Host header
	public    *url.URL
	maxBody   int64
	patience  time.Duration // with a silent client, see bodyPatience
	transport transport
	buffers   *bufferPool
	reserved  reserved
	form      *formLogin  // nil: the app has no form that the gateway signs in at
	cookies   *appCookies // nil: none are bound
	notify    Notify      // nil: not in band
	log       *slog.Logger
	brokenLog *log.Logger
	errorPage func(http.ResponseWriter, *http.Request, int)
}

// Target is the app's URL, for operators.
func (p *Proxy) Target() string { return p.target.Redacted() }

// New returns the Proxy of a route. The error names every mistake in the
// sections of cfg; nothing is dialled.
func New(cfg Config) (*Proxy, error) {
	if err := cfg.validate(true); err != nil {
		return nil, err
	}
	public, err := url.Parse(cfg.Origin)
	if err != nil || public.Host == "" {
		return nil, errors.New("build proxy: the origin is no URL with a host")
	}
	target, mistake := parseUpstream(cfg.Upstream.URL)
	if mistake != "" {
		return nil, fmt.Errorf("build proxy: upstream url %s", mistake)
	}
	carrier, err := NewTransport(cfg.Upstream)
	if err != nil {
		return nil, fmt.Errorf("build proxy: %w", err)
	}
	identifier, err := newIdentifier(cfg)
	if err != nil {
		return nil, fmt.Errorf("build proxy: %w", err)
	}
	p := &Proxy{
		Identifier: identifier, host: cfg.Host, target: target, public: public, sentHost: public.Host,
		maxBody: defaultMaxBody, patience: bodyPatience, transport: transport{carrier}, buffers: &bufferPool{},
		cookies: newAppCookies(cfg), notify: cfg.Notify, log: cfg.Log, errorPage: cfg.Error,
	}
	p.reserved = newReserved(p.names)
	if cfg.Upstream.Host != "" {
		p.sentHost = cfg.Upstream.Host
	}
	if cfg.Upstream.MaxBody > 0 {
		p.maxBody = int64(cfg.Upstream.MaxBody)
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	if p.errorPage == nil {
		p.errorPage = func(w http.ResponseWriter, _ *http.Request, status int) {
			http.Error(w, http.StatusText(status), status)
		}
	}
	p.form = newFormLogin(p, cfg)
	p.brokenLog = log.New(brokenAnswers{log: p.log, host: p.host}, "", 0)
	return p, nil
}

// validate looks at the sections of cfg, the upstream's only if asked to.
func (cfg *Config) validate(upstream bool) error {
	var mistakes []error
	section := func(name string) func(key, text string) {
		return func(key, text string) { mistakes = append(mistakes, fmt.Errorf("%s.%s: %s", name, key, text)) }
	}
	if upstream {
		cfg.Upstream.Validate(section("upstream"))
	}
	cfg.Headers.Validate(section("headers"))
	cfg.Assertion.Validate(section("assertion"))
	cfg.Login.Validate(section("login.upstream"))
	cfg.AppCookies.Validate(section("login.app_cookies"))
	if len(cfg.AppCookies) > 0 && (cfg.CookieKeys == nil || cfg.Host == "") {
		mistakes = append(mistakes, errors.New("there are no keys, or no host, to bind cookies with"))
	}
	if len(mistakes) > 0 {
		return fmt.Errorf("build proxy: %w", errors.Join(mistakes...))
	}
	return nil
}

// Close closes idle connections to the app. Requests under way go on.
func (p *Proxy) Close() { p.transport.CloseIdleConnections() }

// Inbound is what the gateway knows of a request besides the request itself.
type Inbound struct {
	Who          *Principal // nil: nobody is signed in
	ForwardedFor string     // the addresses to send, from the client on; empty: none
	RequestID    string     // empty: none
	Public       bool       // everybody may make the request: shared caches may keep the answer, if the app lets them
	SigningOut   bool       // r asks the app to sign out: no login at its form on the way
	// Stopping ends when the gateway stops, and with it event streams, as if the
	// app had ended them; nil: it never does.
	Stopping context.Context
	// TraceParent and TraceState replace the client's headers of these names (W3C
	// Trace Context); without the first, both pass as they came.
	TraceParent, TraceState string
	Trip                    *Trip // is filled in; nil: nobody wants to know
}

// Trip is when a request went to the app and when its answer began, by the
// process's clock; zero: it did not. Between the two it was out of the gateway's
// hands, though a client that is slow to send its body has its part in it.
type Trip struct{ Sent, Answered time.Time }

// Serve carries r to the app and its answer to w. Policy must have allowed r,
// and its path be normalised: path and raw query are sent as they are in r.URL.
//
// It panics with http.ErrAbortHandler, as net/http asks of a handler, when the
// answer breaks off after it has begun.
func (p *Proxy) Serve(w http.ResponseWriter, r *http.Request, in Inbound) {
	switch {
	case r.Method == http.MethodConnect:
		p.errorPage(w, r, http.StatusMethodNotAllowed)
		return
	case r.ContentLength > p.maxBody:
		p.errorPage(w, r, http.StatusRequestEntityTooLarge)
		return
	}
	x := &exchange{ResponseWriter: w, proxy: p, request: r, in: in, header: http.Header{}}
	if in.Who.isNobody() {
		x.in.Who = nil
	} else {
		var err error
		if x.assertion, err = in.Who.assertionFor(p.signer); err != nil {
			x.fail(err)
			return
		}
	}
	inner := x.prepare()
	defer x.body.end(w)
	// ReverseProxy is made anew for each request, so that who is asking need
	// not travel in a context.
	(&httputil.ReverseProxy{
		Rewrite:        x.rewrite,
		ModifyResponse: x.modify,
		ErrorHandler:   func(_ http.ResponseWriter, _ *http.Request, err error) { x.fail(err) },
		Transport:      x.roundTripper(),
		BufferPool:     p.buffers,
		ErrorLog:       p.brokenLog,
	}).ServeHTTP(x, inner)
}

// bufferPool lends the buffers that answers are copied through.
type bufferPool struct{ pool sync.Pool }

const bufferSize = 32 << 10

func (b *bufferPool) Get() []byte {
	if buf, ok := b.pool.Get().(*[bufferSize]byte); ok {
		return buf[:]
	}
	return make([]byte, bufferSize)
}

func (b *bufferPool) Put(buf []byte) { b.pool.Put((*[bufferSize]byte)(buf)) }

// brokenAnswers takes what ReverseProxy logs: that an answer broke off. Its
// words can quote the app's bytes, so they are left out.
type brokenAnswers struct {
	log  *slog.Logger
	host string
}

func (b brokenAnswers) Write(line []byte) (int, error) {
	cause := "broken"
	if strings.Contains(string(line), "unexpected EOF") {
		cause = "cut_short"
	}
	b.log.Warn("answer of the app broke off", "route", b.host, "cause", cause)
	return len(line), nil
}
