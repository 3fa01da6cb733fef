package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
)

// transport carries requests to the app, over kept connections only where they
// are in step: an app that says more than its answer, by a body where none may
// be or a second answer that somebody has smuggled into the first, must not
// have that taken for the answer to the next request.
//
// http.Transport sees what is left over when it listens on the idle connection,
// and closes it; but it offers the connection to others a moment earlier. So
// whoever gets a kept connection waits for that moment to pass; and what is heard
// of the app then, before a byte of the request is written, is no answer either.
// (What an app says unasked while the next request is under way nobody can tell
// from its answer: https://www.rfc-editor.org/rfc/rfc9112#section-9.2.)
type transport struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if trace := httptrace.ContextClientTrace(req.Context()); trace != nil && trace.GotConn == nil {
		trace.GotConn = awaitStep // it is ReverseProxy's, made for this request: another one would cost more
	} else {
		req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{GotConn: awaitStep}))
	}
	return t.Transport.RoundTrip(req)
}

// awaitStep waits until a kept connection is known to be in step, or closed: then
// the request is sent on another one. In HTTP/2 every frame says whose it is.
func awaitStep(got httptrace.GotConnInfo) {
	if !got.Reused {
		return
	}
	conn := got.Conn
	if secured, ok := conn.(*tls.Conn); ok {
		if secured.ConnectionState().NegotiatedProtocol == "h2" {
			return // its frames say to which request they belong
		}
		conn = secured.NetConn()
	}
	if kept, ok := conn.(*keptConn); ok {
		kept.awaitStep()
	}
}

// keptConn is a connection to the app that knows whether the transport listens:
// it does so, on an idle connection, only when all that came before is read.
type keptConn struct {
	net.Conn
	mu        sync.Mutex
	changed   sync.Cond
	listening bool // a Read is under way
	taken     bool // for a request of which nothing is written yet
	closed    bool
}

// dial gives a dialer's connections the knowledge of their step.
func dial(d *net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return keep(conn), nil
	}
}

func keep(conn net.Conn) *keptConn {
	c := &keptConn{Conn: conn}
	c.changed.L = &c.mu
	return c
}

// errOutOfStep is an answer to a request that is not sent yet.
var errOutOfStep = errors.New("app answers before it is asked")

// Read implements net.Conn.
func (c *keptConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	c.listening = true
	c.changed.Broadcast()
	c.mu.Unlock()

	n, err := c.Conn.Read(p)

	c.mu.Lock()
	defer c.mu.Unlock()
	c.listening = false
	if c.taken && n > 0 {
		return 0, errOutOfStep
	}
	return n, err
}

// Write implements net.Conn.
func (c *keptConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.taken = false
	c.mu.Unlock()
	return c.Conn.Write(p)
}

// Close implements net.Conn.
func (c *keptConn) Close() error {
	c.mu.Lock()
	c.closed = true
	c.changed.Broadcast()
	c.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite tells the app that a WebSocket's client has said its last.
func (c *keptConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// awaitStep waits until the transport listens or the connection is closed, and
// takes it. The transport does one or the other as soon as it is done with the
// answer before.
func (c *keptConn) awaitStep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.listening && !c.closed {
		c.changed.Wait()
	}
	c.taken = true
}
