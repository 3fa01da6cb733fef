package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// headerBytes bounds a request's line and headers; more gets 431. Old PHP
// servers refuse more than 8 KiB themselves.
const headerBytes = 32 << 10

// maxStreams is how many requests of one HTTP/2 connection are under way at once:
// nginx's number, and above the 100 that RFC 9113 (section 6.5.2) asks for. More
// than four times as many that are begun and reset make net/http hang up
// (CVE-2023-44487).
const maxStreams = 128

// server is one listener.
type server struct {
	http  http.Server
	ln    net.Listener
	crowd *crowd
	log   *slog.Logger
	cut   context.CancelFunc // ends the requests' contexts, and so every stream
}

// listen binds an address; key names it in errors. It speaks plain HTTP, unless
// its TLSConfig is set before it runs.
func listen(key, address string, h http.Handler, log *slog.Logger) (*server, error) {
	ln, err := net.Listen("tcp", address)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%s: %w (ports below 1024 are root's, or take CAP_NET_BIND_SERVICE, as docs/running.md says)", key, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	guests := newCrowd(ln, log)
	base, cut := context.WithCancel(context.Background())
	return &server{ln: guests, crowd: guests, log: log, cut: cut, http: http.Server{
		Handler: lastOfItsConnection(fewLines(guests.takenInTime(h))), ConnState: guests.note,
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: headerBytes,
		BaseContext: func(net.Listener) context.Context { return base },
		HTTP2:       &http.HTTP2Config{MaxConcurrentStreams: maxStreams}, DisableGeneralOptionsHandler: true, // "OPTIONS *" is judged as any other
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), // strangers' TLS and HTTP mistakes
	}}, nil
}

// addr is where the listener is; empty for none.
func (s *server) addr() string {
	if s == nil {
		return ""
	}
	return s.ln.Addr().String()
}

// run serves until ctx ends; then requests under way have so long to end.
func (s *server) run(ctx context.Context, limit time.Duration) error {
	servers := []*http.Server{&s.http}
	stopped := make(chan error, 2)
	switch {
	case s.http.TLSConfig != nil:
		go func() { stopped <- s.http.ServeTLS(s.ln, "", "") }()
	case s.crowd.trusts != nil:
		behind, proxies := s.behindProxies(), newProxies(s.ln)
		servers = append(servers, behind)
		go func() { stopped <- behind.Serve(proxies) }()
		go func() { stopped <- s.http.Serve(&strangers{s.ln, proxies}) }()
	default:
		go func() { stopped <- s.http.Serve(s.ln) }()
	}
	var failure error
	serving := len(servers)
	select {
	case err := <-stopped:
		failure, limit = fmt.Errorf("serve %s: %w", s.addr(), err), 0
		serving--
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var draining sync.WaitGroup
	late := make([]error, len(servers))
	for i, one := range servers {
		draining.Go(func() { late[i] = one.Shutdown(drain) })
	}
	draining.Wait()
	s.cut()
	for i, one := range servers {
		if late[i] != nil {
			one.Close() // what has not ended by then is cut
		}
	}
	for range serving {
		<-stopped
	}
	return failure
}
