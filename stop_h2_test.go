package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/configs"
)

// TestStopOverHTTP2: on one TLS connection, an event stream ends as if the app had
// ended it, a page under way is finished, and the redirect is closed too.
func TestStopOverHTTP2(t *testing.T) {
	finish := make(chan struct{})
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/events" {
			w.Header().Set("Content-Type", "text/event-stream")
		}
		_, _ = io.WriteString(w, "begun ")
		w.(http.Flusher).Flush()
		select {
		case <-finish:
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, "and done")
	}))
	t.Cleanup(app.Close)
	dir := t.TempDir()
	file := filepath.Join(dir, "gateway.yaml")
	roots := selfSigned(t, dir, "a.localhost")
	write(t, file, strings.Replace(plain(t, app.URL, "a.localhost"), "public_scheme: http\n", "tls: {cert: file:c.pem, key: file:k.pem, redirect: '127.0.0.1:0'}\nprivate: 127.0.0.1:0\n", 1))
	cfg, err := configs.Load(file, os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	p, err := start(t.Context(), cfg, overheard.logger())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- p.run(ctx) }()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, p.public.addr())
		}}}
	t.Cleanup(client.CloseIdleConnections)
	begun := func(path string) io.Reader {
		resp, err := client.Get("https://a.localhost" + path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		if resp.ProtoMajor != 2 {
			t.Fatalf("it is %s", resp.Proto)
		}
		if _, err := io.ReadFull(resp.Body, make([]byte, len("begun "))); err != nil {
			t.Fatal(err)
		}
		return resp.Body
	}
	events, page := begun("/events"), begun("/page")
	stop()
	if rest, err := io.ReadAll(events); err != nil || len(rest) > 0 {
		t.Errorf("the event stream ended with %q and %v, want a clean end", rest, err)
	}
	for _, s := range []*server{p.public, p.private, p.redirect} {
		for limit := time.Now().Add(5 * time.Second); ; {
			conn, err := net.Dial("tcp", s.addr())
			if err != nil {
				break
			}
			conn.Close()
			if time.Now().After(limit) {
				t.Fatalf("%s takes new connections", s.addr())
			}
		}
	}
	close(finish)
	if rest, err := io.ReadAll(page); err != nil || string(rest) != "and done" {
		t.Errorf("a page under way ends with %q and %v", rest, err)
	}
	begunAt := time.Now()
	if err := <-stopped; err != nil || time.Since(begunAt) > 3*time.Second {
		t.Errorf("stopped with %v after %s", err, time.Since(begunAt))
	}
}
