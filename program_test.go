package main

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/configs"
)

// startProgram runs a gateway of one route with notifications; it must stop
// cleanly at the end of the test.
func startProgram(t *testing.T) *program {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	config := `
listen: 127.0.0.1:0
admin: 127.0.0.1:0
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
	p, err := start(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("stopped with %v", err)
		}
	})
	return p
}

// TestListenerBounds: what the listener itself refuses, before any handler.
func TestListenerBounds(t *testing.T) {
	p := startProgram(t)
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
