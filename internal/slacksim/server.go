package slacksim

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Server is a simulator that listens.
type Server struct {
	*Sim
	http *http.Server
}

// Listen starts a simulator on addr ("127.0.0.1:0" takes any free port) and
// serves until Close. An empty cfg.BaseURL becomes http://ADDRESS.
func Listen(addr string, cfg Config) (*Server, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for slack simulator: %w", err)
	}
	if cfg.BaseURL == "" {
		cfg.BaseURL = "http://" + ln.Addr().String()
	}
	sim, err := New(cfg)
	if err != nil {
		_ = ln.Close() // nothing was accepted yet
		return nil, fmt.Errorf("slack simulator: %w", err)
	}
	srv := &Server{Sim: sim, http: &http.Server{Handler: sim, ReadHeaderTimeout: 10 * time.Second}}
	go func() { _ = srv.http.Serve(ln) }() // always ends with ErrServerClosed, by Close
	return srv, nil
}

// Close stops listening and ends every open request, hung ones too.
func (s *Server) Close() error {
	s.Release()
	return s.http.Close()
}

// Client gives a client that reaches the simulator over connections in
// memory, whatever host it asks for, and a function that ends them. Unlike
// sockets they stand still with the clock under testing/synctest.
func (s *Sim) Client() (client *http.Client, stop func()) {
	ln := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	srv := &http.Server{Handler: s}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(ln)
	}()
	transport := &http.Transport{DialContext: ln.dial}
	return &http.Client{Transport: transport}, func() {
		transport.CloseIdleConnections()
		s.Release()
		_ = srv.Close()
		<-served
	}
}

// pipeListener accepts the far ends of net.Pipe.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept gives the next connection, or net.ErrClosed after Close.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and dialling.
func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr is a placeholder; there is no address in memory.
func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

// Network names the kind of connection.
func (pipeAddr) Network() string { return "pipe" }

// String is the address.
func (pipeAddr) String() string { return "pipe" }
