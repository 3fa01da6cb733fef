package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// headerBytes bounds a request's line and headers; more gets 431. Old PHP
// servers refuse more than 8 KiB themselves.
const headerBytes = 32 << 10

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
		Handler: fewLines(h), ConnState: guests.note, ConnContext: inContext,
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: headerBytes,
		BaseContext: func(net.Listener) context.Context { return base },
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelDebug), // strangers' TLS and HTTP mistakes
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
	stopped := make(chan error, 1)
	go func() {
		if s.http.TLSConfig != nil {
			stopped <- s.http.ServeTLS(s.ln, "", "")
			return
		}
		stopped <- s.http.Serve(s.ln)
	}()
	select {
	case err := <-stopped:
		s.cut()
		return fmt.Errorf("serve %s: %w", s.addr(), err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	err := s.http.Shutdown(drain)
	s.cut()
	if err != nil {
		s.http.Close() // what has not ended by then is cut
	}
	<-stopped
	return nil
}
