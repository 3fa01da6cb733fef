package main

import (
	"net"
	"net/http"
	"sync"
)

// A listener without TLS speaks HTTP/2, "with prior knowledge" (RFC 9113 section
// 3.3), to trusted proxies alone: browsers never do, and strangers need not. It is
// split by who is at the other end, and each part has a server of its own; anyone
// else's preface is a malformed request of HTTP/1.1. There is no upgrade to it
// ("h2c"), from anybody.

// behindProxies gives the server for trusted proxies: as s, with HTTP/2.
func (s *server) behindProxies() *http.Server {
	spoken := new(http.Protocols)
	spoken.SetHTTP1(true)
	spoken.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler: s.http.Handler, ReadTimeout: s.http.ReadTimeout, ReadHeaderTimeout: s.http.ReadHeaderTimeout,
		WriteTimeout: s.http.WriteTimeout, IdleTimeout: s.http.IdleTimeout, MaxHeaderBytes: s.http.MaxHeaderBytes,
		BaseContext: s.http.BaseContext, ConnState: s.http.ConnState, ErrorLog: s.http.ErrorLog,
		HTTP2: s.http.HTTP2, DisableGeneralOptionsHandler: s.http.DisableGeneralOptionsHandler, Protocols: spoken,
	}
}

// strangers is a listener that hands the connections of trusted peers on.
type strangers struct {
	net.Listener
	proxies *proxies
}

// Accept implements net.Listener.
func (l *strangers) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if g := guestOf(conn); g == nil || !g.trusted {
			return conn, nil
		}
		l.proxies.take(conn)
	}
}

// proxies is a listener whose connections strangers hands on.
type proxies struct {
	of    net.Listener
	conns chan net.Conn
	once  sync.Once
	over  chan struct{} // closed: it takes no more
}

func newProxies(of net.Listener) *proxies {
	return &proxies{of: of, conns: make(chan net.Conn), over: make(chan struct{})}
}

func (l *proxies) take(conn net.Conn) {
	select {
	case l.conns <- conn:
	case <-l.over:
		conn.Close()
	}
}

// Accept implements net.Listener.
func (l *proxies) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.over:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener; the one that is split goes on.
func (l *proxies) Close() error {
	l.once.Do(func() { close(l.over) })
	return nil
}

// Addr implements net.Listener.
func (l *proxies) Addr() net.Addr { return l.of.Addr() }
