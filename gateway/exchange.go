package gateway

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/cocoom/cocoom-gateway/policy"
	"github.com/cocoom/cocoom-gateway/proxy"
)

// exchange is one request and its answer: what the gateway has found out about
// the request, and the ResponseWriter that notes what was answered. Handlers
// get it explicitly; inner layers fill it, and the access line is written from
// it.
type exchange struct {
	http.ResponseWriter
	id           string // request id, in the answer, the log and on error pages
	begun        time.Time
	conf         *configured // that the whole exchange goes by
	route        *Route      // nil: the host is unknown
	path         string      // the one spelling; empty: the request has none
	client       netip.Addr  // the nearest address that is not a trusted proxy's
	forwardedFor string      // the X-Forwarded-For the upstream gets
	session      *session    // nil: nobody is signed in
	program      bool        // presented a service token, good or not
	token        *serviceToken
	decision     policy.Decision
	failure      error  // why the gateway itself answered, for the log
	referrer     string // Referrer-Policy of our own page; empty: same-origin
	unread       bool   // the request has a body that nobody is going to read
	upgrade      bool   // the client wishes for another protocol on the connection
	forwardAuth  bool   // another proxy asks; the request itself, with its body, is there

	sending *sending // the saved form that the app is about to get; nil: none

	status int
	bytes  int64
	stream stream

	arrived  time.Time     // by the process's clock, as trip and answered
	trip     proxy.Trip    // to the app
	answered time.Time     // when the answer began; zero: the app had not been asked
	kind     *atomic.Int64 // counts the open answers of its kind; nil: it is none that lasts
	span     trace.Span    // nil: there are no traces
	appSpan  trace.Span    // of what the app does; nil: it was not asked
}

// unreadPatience is how long a client may take to see that its body is not read.
const unreadPatience = 5 * time.Second

// awaitedBody is a body that somebody may read: with the first byte asked for,
// the exchange's is no longer unread.
type awaitedBody struct {
	io.ReadCloser
	exchange *exchange
}

// Read implements io.Reader.
func (b *awaitedBody) Read(p []byte) (int, error) {
	b.exchange.unread = false
	return b.ReadCloser.Read(p)
}

// open begins an exchange, by the configuration in force at this moment; finish
// ends it.
func (g *Gateway) open(w http.ResponseWriter, r *http.Request) *exchange {
	g.counters.begin()
	return &exchange{ResponseWriter: w, id: newID(), begun: g.cfg.Now(), arrived: time.Now(), conf: g.conf.Load(),
		unread: r.ContentLength != 0 && r.ProtoMajor == 1, upgrade: r.ProtoMajor == 1 && r.Header["Upgrade"] != nil}
}

// newID gives 64 random bits: enough to find one request in a log.
func newID() string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// exchangeOf finds the exchange below any wrapper of its ResponseWriter; nil
// if there is none.
func exchangeOf(w http.ResponseWriter) *exchange {
	for w != nil {
		if x, ok := w.(*exchange); ok {
			return x
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return nil
		}
		w = u.Unwrap()
	}
	return nil
}

// Unwrap lets http.ResponseController flush, hijack and set deadlines.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// WriteHeader notes the status. Informational answers (1xx) are not the last
// word, but for 101, after which HTTP is over.
func (x *exchange) WriteHeader(status int) {
	if x.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		x.status = status
		x.stream.answers()
		x.begins(status)
		if x.upgrade && !x.forwardAuth && status != http.StatusSwitchingProtocols {
			// What follows a failed upgrade on the connection may not be HTTP.
			x.Header().Set("Connection", "close")
		}
		if x.unread {
			// Or net/http would wait for the body before it sends the answer; and
			// behind the answer it reads what comes, without a limit of time.
			x.Header().Set("Connection", "close")
			_ = http.NewResponseController(x.ResponseWriter).SetReadDeadline(time.Now().Add(unreadPatience)) // a test's recorder has none
		}
	}
	x.ResponseWriter.WriteHeader(status)
}

// Write counts the body's bytes.
func (x *exchange) Write(b []byte) (int, error) {
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	n, err := x.ResponseWriter.Write(b)
	x.bytes += int64(n)
	return n, err
}

// Hijack notes that the connection is no longer HTTP: for an upgrade the proxy
// takes it without WriteHeader. A person's WebSocket ends with the session.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(x.ResponseWriter).Hijack()
	if err == nil && x.status == 0 {
		x.status = http.StatusSwitchingProtocols
		x.begins(x.status)
	}
	if err == nil && x.stream.hangUp != nil {
		socket := newSocket(conn)
		x.stream.socket.Store(socket)
		conn = socket
	}
	return conn, rw, err
}

// log writes the access line: one a request, never with headers or the query,
// which carry cookies, codes and search terms.
func (x *exchange) log(log *slog.Logger, r *http.Request, path string, now time.Time) {
	level := slog.LevelInfo
	if x.status >= 500 {
		level = slog.LevelWarn
	}
	if !log.Enabled(r.Context(), level) {
		return
	}
	attrs := make([]slog.Attr, 0, 18)
	attrs = append(attrs,
		slog.String("request_id", x.id),
		slog.String("method", r.Method),
		slog.String("path", clip(path, 512)),
		slog.Int("status", x.status),
		slog.Int64("bytes", x.bytes),
		slog.Float64("ms", float64(now.Sub(x.begun).Microseconds())/1000),
		slog.String("client", x.client.String()),
	)
	if x.route != nil {
		attrs = append(attrs, slog.String("route", x.route.Host))
	}
	if _, theirs, carried := x.times(); carried {
		attrs = append(attrs, slog.Float64("upstream_ms", float64(theirs.Microseconds())/1000))
	}
	if id := x.traceID(); id != "" {
		attrs = append(attrs, slog.String("trace_id", id))
	}
	if x.forwardAuth {
		attrs = append(attrs, slog.Bool("forward_auth", true))
	}
	if x.decision.Reason != "" {
		attrs = append(attrs, slog.String("decision", x.decision.Verdict.String()), slog.String("reason", x.decision.Reason), slog.Int("rule", x.decision.Rule))
	}
	if x.session != nil {
		attrs = append(attrs, slog.String("user", x.session.identity.User))
	}
	if x.token != nil {
		attrs = append(attrs, slog.String("service_token", x.token.id))
	}
	if x.failure != nil {
		attrs = append(attrs, slog.String("failure", x.failure.Error()))
	}
	// The request's own context may be over by now; logging must not be.
	log.LogAttrs(context.WithoutCancel(r.Context()), level, "request", attrs...)
}

// clip bounds what strangers can make us write.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}

func stack() string { return clip(string(debug.Stack()), 8<<10) }
