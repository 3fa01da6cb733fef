package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// hose carries bytes to a server until it is bent; then both sides wait.
type hose struct {
	net.Listener
	to   string
	bent chan struct{}
}

func newHose(t *testing.T, to string) *hose {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &hose{ln, to, make(chan struct{})}
	var all sync.WaitGroup
	ended := make(chan struct{})
	all.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", h.to)
			if err != nil {
				in.Close()
				continue
			}
			all.Go(func() {
				<-ended
				in.Close()
				out.Close()
			})
			all.Go(func() { h.carry(out, in) })
			all.Go(func() { h.carry(in, out) })
		}
	})
	t.Cleanup(func() { ln.Close(); close(ended); all.Wait() })
	return h
}

func (h *hose) carry(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		select {
		case <-h.bent:
			return
		default:
		}
		if _, fails := to.Write(buf[:n]); err != nil || fails != nil {
			to.Close()
			return
		}
	}
}

// TestStopWhileEverythingHangs: the app, the store, the collector of traces and the
// clients may all hang; a stop takes no longer than the ten seconds after which it
// would be killed.
func TestStopWhileEverythingHangs(t *testing.T) {
	t.Parallel()
	state := storetest.Postgres(t)
	at, err := url.Parse(state)
	if err != nil {
		t.Fatal(err)
	}
	pipe := newHose(t, at.Host)
	at.Host = pipe.Addr().String()

	over := make(chan struct{})
	var arrived sync.WaitGroup
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/socket" {
			conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
			if err != nil {
				return
			}
			defer conn.CloseNow()
			arrived.Done()
			for flood := make([]byte, 1<<20); conn.Write(r.Context(), websocket.MessageBinary, flood) == nil; {
			}
			return
		}
		arrived.Done()
		if r.URL.Path == "/upload" {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		<-over
	}))
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-over }))
	t.Cleanup(func() { close(over); app.Close(); collector.Close() })

	file := filepath.Join(t.TempDir(), "gateway.yaml")
	write(t, file, fmt.Sprintf("state: %s\nmaster_key: %064d\nlisten: 127.0.0.1:0\nadmin: 127.0.0.1:0\npublic_scheme: http\npublic_port: 80\ntracing: {endpoint: %q, sample: 1}\n", at, 1, collector.URL)+
		routesOf(app.URL, "a.localhost"))
	cfg, err := configs.Load(file, func(string) string { return "" })
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

	arrived.Add(3)
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, p.public.addr())
	}}}
	body, feed := io.Pipe()
	go func() { _, _ = feed.Write([]byte("begun")) }()
	var clients sync.WaitGroup
	for path, body := range map[string]io.Reader{"/hangs": nil, "/upload": body} {
		clients.Go(func() {
			resp, err := client.Post("http://a.localhost"+path, "text/plain", body)
			if err == nil {
				resp.Body.Close()
			}
		})
	}
	socket, _, err := websocket.Dial(t.Context(), "ws://a.localhost/socket", &websocket.DialOptions{HTTPClient: client, HTTPHeader: http.Header{"Origin": {"http://a.localhost"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.CloseNow(); feed.Close(); client.CloseIdleConnections(); clients.Wait() })
	arrived.Wait()
	stranger, err := net.Dial("tcp", p.public.addr()) // says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	close(pipe.bent)
	// Until everything that looks into the store by itself waits for it.
	resp, err := http.Get("http://" + p.admin.addr() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("without a store, /readyz says %d", resp.StatusCode)
	}

	begun := time.Now()
	stop()
	select {
	case err := <-stopped:
		t.Logf("it took %s and ended with %v", time.Since(begun), err)
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("it took %s", took)
		}
	case <-time.After(40 * time.Second):
		t.Fatalf("it does not stop\n%s", stacks())
	}
}

func stacks() string {
	buf := make([]byte, 1<<20)
	return string(buf[:runtime.Stack(buf, true)])
}
