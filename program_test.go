package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// startProgram runs a gateway of one route with notifications on a state; it
// must stop cleanly at the end of the test.
func startProgram(t *testing.T, state string) *program {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	config := "state: " + state + `
master_key: MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=
listen: 127.0.0.1:0
admin: 127.0.0.1:0
private: 127.0.0.1:0
public_scheme: http
routes:
  - host: relais.localhost
    workspace: T0RELAIS01
    slack_app: {bot_token: xoxb-1}
    notify: {bearer_tokens: [ck_relais_0123456789abcdef]}
`
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := configs.Load(file, os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	p, err := start(t.Context(), cfg, overheard.logger())
	if err != nil {
		t.Fatal(err)
	}
	runs(t, p)
	return p
}

// runs runs a program until stop, which waits for its end, or the test's end.
func runs(t *testing.T, p *program) (stop func()) {
	t.Helper()
	return runsHeard(t, p, overheard)
}

// runsHeard is runs; what the program says is evidence for e.
func runsHeard(t *testing.T, p *program, e *evidence) (stop func()) {
	t.Helper()
	e.watch(p)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("stopped with %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// TestListenerBounds: what the listener itself refuses, before any handler.
func TestListenerBounds(t *testing.T) {
	p := startProgram(t, "./data")
	for name, row := range map[string]struct {
		request string
		want    int
	}{
		"header of 64 KiB":   {"GET / HTTP/1.1\r\nHost: relais.localhost\r\nX-Big: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", 431},
		"header of 16 KiB":   {"GET / HTTP/1.1\r\nHost: relais.localhost\r\nX-Big: " + strings.Repeat("x", 16<<10) + "\r\n\r\n", 404},
		"unknown host":       {"GET / HTTP/1.1\r\nHost: nobody.localhost\r\n\r\n", 421},
		"no host":            {"GET / HTTP/1.1\r\n\r\n", 400},
		"two lengths":        {"POST / HTTP/1.1\r\nHost: relais.localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400},
		"webhook of 65 KiB":  {webhook(strings.Repeat("x", 65<<10)), 413},
		"webhook":            {webhook("to=U0PAUL&text=hello&key=k1"), 202},
		"webhook of nothing": {webhook(""), 400},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", p.public.addr())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			_, _ = fmt.Fprint(conn, row.request) // a refusal may come before all is written
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != row.want {
				t.Errorf("answered %d, want %d", resp.StatusCode, row.want)
			}
		})
	}
}

func webhook(form string) string {
	return fmt.Sprintf("POST /.gateway/v1/notifications HTTP/1.1\r\nHost: relais.localhost\r\nAuthorization: Bearer ck_relais_0123456789abcdef\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", len(form), form)
}

// TestTwoReplicas: two processes on one PostgreSQL are one gateway. What one
// accepts the other shows and takes for a duplicate, and they sign with the
// same keys.
func TestTwoReplicas(t *testing.T) {
	state := storetest.Postgres(t)
	a, b := startProgram(t, state), startProgram(t, state)
	ask := func(p *program, method, path, form string) (int, string) {
		t.Helper()
		req, err := http.NewRequest(method, "http://"+p.public.addr()+"/.gateway"+path, strings.NewReader(form))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "relais.localhost"
		req.Header.Set("Authorization", "Bearer ck_relais_0123456789abcdef")
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	const form = "to=U0PAUL&text=hello&key=k1"
	status, accepted := ask(a, "POST", "/v1/notifications", form)
	if status != 202 {
		t.Fatalf("the first replica answered %d %s", status, accepted)
	}
	var n struct{ ID string }
	if err := json.Unmarshal([]byte(accepted), &n); err != nil {
		t.Fatal(err)
	}
	if status, body := ask(b, "POST", "/v1/notifications", form); status != 200 || !strings.Contains(body, n.ID) {
		t.Errorf("the second replica answered the same key with %d %s", status, body)
	}
	if status, body := ask(b, "GET", "/v1/notifications/"+n.ID, ""); status != 200 || !strings.Contains(body, "U0PAUL") {
		t.Errorf("the second replica shows %d %s", status, body)
	}
	_, one := ask(a, "GET", "/jwks.json", "")
	if _, two := ask(b, "GET", "/jwks.json", ""); one != two || !strings.Contains(one, `"kid"`) {
		t.Errorf("the replicas publish different keys: %s and %s", one, two)
	}
}
