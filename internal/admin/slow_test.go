package admin_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/admin"
)

// pipes is a listener for connections without a network, which obey the clock of
// a test.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	conn, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (p pipes) Close() error { close(p); return nil }

func (pipes) Addr() net.Addr { return new(net.TCPAddr) }

// TestSlowClients: who announces a body and does not send it is let go of, signed
// in or not, and whatever they ask; and so is who does not read an answer.
func TestSlowClients(t *testing.T) {
	for _, call := range []string{"POST /ui/sign-in", "POST /backup", "GET /livez", "POST /doctor"} {
		t.Run(call, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { announceBody(t, call) }) })
	}
	t.Run("reads nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			conn := dialPipe(t)
			fmt.Fprint(conn, "GET /ui/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
			time.Sleep(2 * time.Minute)
			if rest, err := io.ReadAll(conn); len(rest) > 0 || err != nil {
				t.Errorf("there was still %d bytes, %v", len(rest), err)
			}
		})
	})
}

func announceBody(t *testing.T, call string) {
	conn := dialPipe(t)
	fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{", call)
	begun := time.Now()
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusRequestTimeout || !answer.Close {
		t.Errorf("answered %d, %v", answer.StatusCode, err)
	}
	if took := time.Since(begun); took > 15*time.Second {
		t.Errorf("after %s", took)
	}
}

// dialPipe connects to a listener that asks for a token.
func dialPipe(t *testing.T) net.Conn {
	ln := make(pipes)
	srv := &http.Server{Handler: newListenerWith(t, rightToken)}
	served := make(chan struct{})
	go func() { defer close(served); _ = srv.Serve(ln) }()
	ours, theirs := net.Pipe()
	ln <- theirs
	t.Cleanup(func() {
		ours.Close()
		srv.Close()
		<-served
	})
	return ours
}

// TestBackupNobodyReads: a second backup is refused while the first is being read,
// and not when that has broken off.
func TestBackupNobodyReads(t *testing.T) {
	dir, made := t.TempDir(), 0
	l := newListener(t, func(cfg *admin.Config) {
		cfg.Backup = func(context.Context) (*os.File, error) {
			made++
			name := filepath.Join(dir, fmt.Sprint(made))
			if err := os.WriteFile(name, nil, 0o600); err != nil {
				return nil, err
			}
			if err := os.Truncate(name, 64<<20); err != nil { // more than sockets hold
				return nil, err
			}
			return os.Open(name)
		}
	})
	srv := httptest.NewServer(l)
	defer srv.Close()
	ask := func(ctx context.Context) *http.Response {
		req, err := http.NewRequestWithContext(ctx, "POST", srv.URL+"/backup", strings.NewReader(`{"by":"lea"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	ctx, cancel := context.WithCancel(t.Context())
	first := ask(ctx)
	defer first.Body.Close()
	if second := ask(t.Context()); second.StatusCode != http.StatusConflict {
		t.Errorf("a second one is answered by %d", second.StatusCode)
	}
	if cancel(); made != 1 {
		t.Errorf("%d copies were made", made)
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		third := ask(t.Context())
		n, _ := io.Copy(io.Discard, third.Body)
		third.Body.Close()
		if third.StatusCode == http.StatusOK && n == 64<<20 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after it broke off: %d, %d bytes", third.StatusCode, n)
		}
	}
}

// TestPlantedAdminCookie: another port of the host, or a sibling of it, can plant
// cookies of the same name; whoever is signed in stays so.
func TestPlantedAdminCookie(t *testing.T) {
	l := newListenerWith(t, rightToken)
	r := httptest.NewRequest("POST", "/ui/sign-in", strings.NewReader("name=lea&token="+rightToken))
	r.Host = "127.0.0.1:9090"
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "http://127.0.0.1:9090")
	rec := httptest.NewRecorder()
	l.ServeHTTP(rec, r)
	if len(rec.Result().Cookies()) != 1 {
		t.Fatalf("signed in: %d %s", rec.Code, rec.Body)
	}
	own := rec.Result().Cookies()[0]
	for name, header := range map[string]string{
		"none planted": own.Name + "=" + own.Value, "planted": own.Name + "=planted.1.x; " + own.Name + "=" + own.Value,
		"planted after": own.Name + "=" + own.Value + "; " + own.Name + "=planted", "planted in quotes": own.Name + `=""; ` + own.Name + "=" + own.Value,
	} {
		if status, text := l.ask("GET", "/ui/audit", "", "Cookie", header); status != 200 {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
	if status, _ := l.ask("GET", "/ui/audit", "", "Cookie", own.Name+"=planted.1.x"); status != 303 {
		t.Errorf("planted alone: %d", status)
	}
}
