package proxy_test

import (
	"bufio"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/policy"
	"github.com/cocoom/cocoom-gateway/proxy"
)

func TestStatusOfEachFailure(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	raw := func(answer string) string {
		address, _ := newRawApp(t, answer)
		return address
	}
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	tests := []struct {
		name, upstream string
		change         func(*proxy.Config)
		want           int
		cause          string
	}{
		{name: "refused", upstream: "http://" + closed.Addr().String(), want: 502, cause: "refused"},
		{name: "no such name", upstream: "http://app.invalid", want: 502, cause: "name_not_found"},
		{name: "closed without an answer", upstream: raw(""), want: 502, cause: "closed"},
		{name: "closed in the header", upstream: raw("HTTP/1.1 200 OK\r\nX-A: "), want: 502, cause: "closed"},
		{name: "no HTTP", upstream: raw("s3cret SSH-2.0\r\n\r\n"), want: 502, cause: "invalid_answer"},
		{name: "bad header", upstream: raw("HTTP/1.1 200 OK\r\ns3cret\r\n\r\n"), want: 502, cause: "invalid_answer"},
		{name: "header too large", upstream: raw("HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("s3cret", 100_000) + "\r\n\r\n"), want: 502},
		{name: "unasked upgrade", upstream: raw("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: s3cret\r\n\r\n"), want: 502, cause: "invalid_answer"},
		{name: "unknown certificate", upstream: secure.URL, want: 502, cause: "certificate"},
		{name: "no answer in time", upstream: newApp(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
			change: func(c *proxy.Config) { c.Upstream.Timeout = 20 * time.Millisecond }, want: 504, cause: "timeout"},
		{name: "no key", upstream: raw(emptyAnswer), change: func(c *proxy.Config) { c.Keys = proxy.NewKeys() }, want: 500, cause: "no_signing_key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFront(t, tt.upstream, &lea, tt.change)
			res, body := f.get(t, "/path-s3cret?query=s3cret", "X-Header", "s3cret")
			if res.StatusCode != tt.want || !strings.HasPrefix(body, "page for") || res.Header.Get("X-Request-Id") != "req-1" {
				t.Errorf("got %d %q, want %d", res.StatusCode, body, tt.want)
			}
			logs := f.logs.String()
			if strings.Count(logs, "\n") != 1 || !strings.Contains(logs, `"cause":"`+tt.cause) || !strings.Contains(logs, `"request_id":"req-1"`) {
				t.Errorf("logged %s", logs)
			}
			if strings.Contains(logs, "s3cret") || strings.Contains(logs, "lea@") {
				t.Errorf("the log quotes the app or the client: %s", logs)
			}
		})
	}
}

func TestBodyTooLarge(t *testing.T) {
	dialled := make(chan struct{}, 8)
	app := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		dialled <- struct{}{}
		io.Copy(io.Discard, r.Body)
	})
	f := newFront(t, app, &lea, func(c *proxy.Config) { c.Upstream.MaxBody = 1000 })
	post := func(body io.Reader) int {
		t.Helper()
		res, err := http.Post(f.URL, "text/plain", body)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	if got := post(strings.NewReader(strings.Repeat("x", 1001))); got != 413 || len(dialled) != 0 {
		t.Errorf("declared: %d, dialled %d times", got, len(dialled))
	}
	if got := post(io.MultiReader(strings.NewReader(strings.Repeat("x", 1001)))); got != 413 {
		t.Errorf("undeclared: %d", got)
	}
	for _, body := range []io.Reader{strings.NewReader(strings.Repeat("x", 1000)), io.MultiReader(strings.NewReader(strings.Repeat("x", 1000)))} {
		if got := post(body); got != 200 {
			t.Errorf("just small enough: %d", got)
		}
	}
	if strings.Contains(f.logs.String(), "failed") {
		t.Errorf("the client's mistake is no failure of the app: %s", f.logs)
	}
}

func TestMalformedBodyIsTheClientsFault(t *testing.T) {
	app := newApp(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
	f := newFront(t, app, nil, nil)
	answer := f.send(t, "POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\nConnection: close\n\nno chunk\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 400") || f.logs.String() != "" {
		t.Errorf("got %q, logged %s", answer, f.logs)
	}
}

// TestSilentBody: a client that stops in the middle of a body is given up on.
func TestSilentBody(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer app.Close()
	f := newFront(t, app.URL, nil, nil)
	f.proxy.SetPatience(50 * time.Millisecond)
	conn, err := net.Dial("tcp", f.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
	if got := <-f.errors; got != http.StatusRequestTimeout {
		t.Errorf("status %d, want 408", got)
	}
}

// TestStatusThatIsNone: what net/http would panic on.
func TestStatusThatIsNone(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			fmt.Fprint(conn, "HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n")
			conn.Close()
		}
	}()
	f := newFront(t, "http://"+ln.Addr().String(), nil, nil)
	resp, err := http.Get(f.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := <-f.errors; got != http.StatusBadGateway {
		t.Errorf("status %d, want 502", got)
	}
}

func TestClientGone(t *testing.T) {
	arrived, hang := make(chan struct{}, 1), make(chan struct{})
	app := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	t.Cleanup(func() { close(hang) })
	f := newFront(t, app, nil, nil)
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", f.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() { <-arrived; cancel() }()
	if _, err := http.DefaultClient.Do(req); err == nil {
		t.Fatal("an answer came")
	}
	if got := <-f.errors; got != 499 {
		t.Errorf("waiting: got %d, want 499", got)
	}

	conn, err := net.Dial("tcp", f.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nbeginning")
	<-arrived
	conn.Close()
	if got := <-f.errors; got != 499 {
		t.Errorf("uploading: got %d, want 499", got)
	}
	if logs := f.logs.String(); logs != "" {
		t.Errorf("the client's leaving is no failure of the app: %s", logs)
	}
}

func TestAnswerBreaksOff(t *testing.T) {
	app, _ := newRawApp(t, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ns3cret")
	f := newFront(t, app, nil, nil)
	res, err := http.Get(f.URL)
	if err == nil {
		_, err = io.ReadAll(res.Body)
		res.Body.Close()
	}
	if err == nil {
		t.Error("the client took half an answer for a whole one")
	}
	f.Close()
	if logs := f.logs.String(); !strings.Contains(logs, "broke off") || strings.Contains(logs, "s3cret") {
		t.Errorf("logged %s", logs)
	}
}

func TestTLSUpstream(t *testing.T) {
	app := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Proto", r.Proto)
		w.Header().Set("X-User", r.Header.Get("X-Forwarded-User"))
		w.Header().Set("X-Target", r.RequestURI)
	}))
	app.EnableHTTP2 = true
	app.StartTLS()
	t.Cleanup(app.Close)
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: app.Certificate().Raw}))
	f := newFront(t, app.URL, &lea, func(c *proxy.Config) {
		c.Upstream.TLS = proxy.UpstreamTLS{CA: secret.String(ca), ServerName: "example.com"}
	})
	res, _ := f.get(t, "/a%3Bb?q=50%&b;c")
	if res.Header.Get("X-Proto") != "HTTP/2.0" || res.Header.Get("X-User") != lea.User || res.Header.Get("X-Target") != "/a%3Bb?q=50%&b;c" {
		t.Errorf("got %d %v", res.StatusCode, res.Header)
	}
}

func TestTheEnvironmentsProxyIsNotUsed(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	app := newApp(t, func(http.ResponseWriter, *http.Request) {})
	if res, _ := newFront(t, strings.Replace(app, "127.0.0.1", "localhost", 1), nil, nil).get(t, "/"); res.StatusCode != 200 {
		t.Errorf("got %d", res.StatusCode)
	}
}

func TestNobodyByAnEmptyIdentity(t *testing.T) {
	app, heads := newRawApp(t, emptyAnswer)
	newFront(t, app, &policy.Identity{Team: "T1", Email: "a@b.fr"}, nil).get(t, "/")
	if head := <-heads; strings.Contains(head, "a@b.fr") || strings.Contains(head, "Assertion") {
		t.Errorf("an identity without a user was sent: %s", head)
	}
}
