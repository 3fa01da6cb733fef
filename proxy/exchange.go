package proxy

import (
	"bufio"
	"crypto/sha1" // #nosec G505 -- RFC 6455 section 4.2.2 demands it; nothing is kept secret by it
	"encoding/base64"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// exchange is one request and its answer. As a ResponseWriter it holds the
// app's headers apart from those that the gateway has set, until the answer is
// sent: so the gateway's stand, also across informational answers and on error
// pages.
type exchange struct {
	http.ResponseWriter
	proxy     *Proxy
	request   *http.Request
	in        Inbound
	assertion string
	body      *requestBody // nil: the request has none
	upgrade   bool         // the client asked for another protocol

	header   http.Header // the app's, not yet sent
	sent     bool
	hijacked bool
}

// prepare returns the request that ReverseProxy is given: bounded, and without
// a wish for a protocol other than WebSocket. h2c above all: it would let the
// client send requests to the app that policy never sees.
func (x *exchange) prepare() *http.Request {
	r := x.request
	x.upgrade = r.ProtoMajor == 1 && r.Header["Upgrade"] != nil
	hasBody := r.Body != nil && r.Body != http.NoBody
	refused := x.upgrade && !isWebSocket(r)
	if !hasBody && !refused {
		return r
	}
	out := new(http.Request)
	*out = *r
	if refused {
		out.Header = r.Header.Clone()
		out.Header.Del("Upgrade")
	}
	if hasBody {
		// An app may begin its answer before it has read the whole body. By
		// default, the server would then stop reading for it. An error means
		// that the protocol has no such default.
		control := http.NewResponseController(x.ResponseWriter)
		_ = control.EnableFullDuplex()
		x.body = &requestBody{ReadCloser: http.MaxBytesReader(x.ResponseWriter, r.Body, x.proxy.maxBody), control: control, patience: x.proxy.patience}
		out.Body = x.body
	}
	return out
}

// isWebSocket reports whether r is a handshake as RFC 6455 section 4.1 has it. In
// HTTP/1.0 there is none (RFC 9110 section 7.8).
func isWebSocket(r *http.Request) bool {
	upgrade := r.Header["Upgrade"]
	return r.Method == http.MethodGet && r.ProtoAtLeast(1, 1) && len(upgrade) == 1 && strings.EqualFold(upgrade[0], "websocket") &&
		len(r.Header["Sec-Websocket-Key"]) == 1
}

// isAgreed reports whether the app really speaks WebSocket from here on: its answer
// proves that it has read the client's key (RFC 6455 section 4.2.2). Any other
// "101" would open a tunnel, through which the client could send an app that goes
// on with HTTP requests that policy never sees.
func (x *exchange) isAgreed(answer http.Header) bool {
	accept := answer["Sec-Websocket-Accept"]
	if !x.upgrade || !isWebSocket(x.request) || len(accept) != 1 {
		return false
	}
	digest := sha1.Sum([]byte(x.request.Header["Sec-Websocket-Key"][0] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // #nosec G401 -- as above
	return accept[0] == base64.StdEncoding.EncodeToString(digest[:])
}

// bodyPatience is how long a client may be silent in the middle of a body. An
// upload may take as long as it likes, as long as it goes on (see pace).
const bodyPatience = time.Minute

// requestBody remembers how reading from the client failed, which tells the
// client's failures from the app's, and gives up on a silent client.
type requestBody struct {
	io.ReadCloser
	control  *http.ResponseController
	patience time.Duration
	failure  atomic.Pointer[error]
	pace     pace
}

func (b *requestBody) Read(p []byte) (int, error) {
	begun := time.Now()
	b.deadline(begun.Add(b.pace.left(b.patience)))
	n, err := b.ReadCloser.Read(p)
	b.pace.note(n, time.Since(begun), err)
	if err != nil {
		// The connection is watched while the answer is written: the deadline
		// must not end a long one.
		b.deadline(time.Time{})
	}
	if err != nil && err != io.EOF {
		b.failure.Store(&err)
	}
	return n, err
}

// Close stops waiting for the client: it reads some of what is left, after a Read
// that may still be under way for an app that has answered already.
func (b *requestBody) Close() error {
	b.deadline(time.Now().Add(leftoverTime))
	err := b.ReadCloser.Close()
	b.deadline(time.Time{})
	return err
}

func (b *requestBody) err() error {
	if b == nil {
		return nil
	}
	if err := b.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// rewrite makes the request that the app gets. ReverseProxy has removed the
// hop-by-hop headers already, those that Connection names included, so nothing
// set here can be removed by the client.
func (x *exchange) rewrite(pr *httputil.ProxyRequest) {
	p, out, in := x.proxy, pr.Out, pr.In.URL
	out.URL = &url.URL{
		Scheme: p.target.Scheme, Host: p.target.Host,
		Path: in.Path, RawPath: in.RawPath,
		// ReverseProxy has cleaned the query; the app gets what the client sent.
		RawQuery: in.RawQuery, ForceQuery: in.ForceQuery,
	}
	out.Host = p.sentHost
	// Trailers come when headers have been judged. RFC 9110 section 6.5.1
	// lets an intermediary drop them, and no app of this kind reads them.
	out.Trailer = nil

	p.reserved.strip(out.Header)
	stripOwnCookies(out.Header)
	if p.cookies != nil {
		p.cookies.restore(out.Header, x.in.Who.who())
	}
	joinCookies(out.Header)
	if p.basic != nil {
		out.Header.Del("Authorization")
	}
	out.Close = signsConnectionIn(out.Header)
	if x.in.ForwardedFor != "" {
		out.Header["X-Forwarded-For"] = []string{x.in.ForwardedFor}
	}
	out.Header["X-Forwarded-Proto"] = []string{p.public.Scheme}
	out.Header["X-Forwarded-Host"] = []string{p.public.Host}
	if x.in.RequestID != "" {
		out.Header["X-Request-Id"] = []string{x.in.RequestID}
	}
	if x.in.Who != nil {
		p.identify(out.Header, x.in.Who, x.assertion)
	}
	if x.in.TraceParent != "" {
		out.Header["Traceparent"] = []string{x.in.TraceParent}
		delete(out.Header, "Tracestate")
		if x.in.TraceState != "" {
			out.Header["Tracestate"] = []string{x.in.TraceState}
		}
	}
	if x.in.Trip != nil {
		x.in.Trip.Sent = time.Now()
	}
}

// back notes that the app has answered, or failed to.
func (x *exchange) back() {
	if t := x.in.Trip; t != nil && t.Answered.IsZero() && !t.Sent.IsZero() {
		t.Answered = time.Now()
	}
}

// Header returns the app's headers until they are sent; then what is set are
// trailers.
func (x *exchange) Header() http.Header {
	if x.sent {
		return x.ResponseWriter.Header()
	}
	return x.header
}

// WriteHeader sends the app's headers beside those of the gateway.
func (x *exchange) WriteHeader(status int) {
	dst := x.ResponseWriter.Header()
	if status < 200 && status != http.StatusSwitchingProtocols {
		ours := maps.Clone(dst)
		clear(dst)
		x.proxy.cleanAnswer(x.header)
		x.bindCookies(x.header)
		maps.Copy(dst, x.header)
		x.ResponseWriter.WriteHeader(status)
		clear(dst)
		maps.Copy(dst, ours)
		return
	}
	x.send(dst)
	x.ResponseWriter.WriteHeader(status)
}

func (x *exchange) send(dst http.Header) {
	if x.sent {
		return
	}
	x.sent = true
	if dst["Set-Cookie"] != nil {
		keepFromCaches(x.header) // a session's, renewed on a page that the app lets caches keep
	}
	for name, values := range x.header {
		switch _, ours := dst[name]; {
		case !ours:
			dst[name] = values
		case name == "Set-Cookie" || name == "Vary" || name == "Link":
			dst[name] = append(dst[name], values...)
		}
	}
	if _, ok := dst["Content-Type"]; !ok {
		dst["Content-Type"] = nil // or net/http would guess one
	}
}

// Write implements http.ResponseWriter.
func (x *exchange) Write(b []byte) (int, error) {
	if !x.sent {
		x.WriteHeader(http.StatusOK)
	}
	return x.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController flush and set deadlines.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// Hijack notes that from here on no error page can be written.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(x.ResponseWriter).Hijack()
	x.hijacked = err == nil
	return conn, rw, err
}
