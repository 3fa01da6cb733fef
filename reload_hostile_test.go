package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/proxy"
)

// TestReloadAfterAHang: a reload that had to wait, such as for the store, does not
// make the gateway look away from its files for long.
func TestReloadAfterAHang(t *testing.T) {
	file, app := filepath.Join(t.TempDir(), "gateway.yaml"), echo(t)
	text := plain(t, app, "a.localhost")
	write(t, file, text)
	r := reloads(t, file, 5*time.Millisecond)
	r.current.mu.Lock() // as a reload has it that waits for the store
	write(t, file, text+publicRoute("  - ", app, "b.localhost"))
	time.AfterFunc(500*time.Millisecond, r.current.mu.Unlock)
	r.says(inForce, `"added":1`)
	begun := time.Now()
	write(t, file, text)
	r.says(inForce, `"removed":1`)
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("the next change was noticed after %s", took)
	}
}

// TestOperatorsWhileAReloadHangs: what the gateway does can be seen meanwhile.
func TestOperatorsWhileAReloadHangs(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "gateway.yaml")
	selfSigned(t, dir, "a.localhost")
	write(t, file, strings.Replace(plain(t, echo(t), "a.localhost"), "public_scheme: http\n", "tls: {cert: file:c.pem, key: file:k.pem}\n", 1))
	r := reloads(t, file, time.Hour)
	r.current.mu.Lock()
	defer r.current.mu.Unlock()
	client := &http.Client{Timeout: 5 * time.Second}
	for _, path := range []string{"/metrics", "/status", "/readyz", "/livez"} {
		resp, err := client.Get("http://" + r.admin.addr() + path)
		if err != nil {
			t.Error(err)
			continue
		}
		said, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %.200s %v", path, resp.StatusCode, said, err)
		}
		if path == "/metrics" && !strings.Contains(string(said), `certificate_expiry_timestamp_seconds{host="a.localhost"}`) {
			t.Error("the certificate is missing from the metrics")
		}
	}
	if r.doctor() == nil {
		t.Error("no doctor")
	}
}

// TestReloadKeepsTheWayToTheApp: connections, and sessions at the app's form, are
// lost only when something has changed between the gateway and the app.
func TestReloadKeepsTheWayToTheApp(t *testing.T) {
	for _, row := range []struct {
		from, to string
		kept     bool
	}{
		{"allow: public", "allow: members", true},
		{"client_secret: s3cret", "client_secret: another", true},
		{"workspace: T0AGRAF001", "workspace: T0AGRAF002", true},
		{"login: {guests: allow}", "login: {guests: allow, upstream: {basic: {user: email, derive_from: a-secret-of-32-bytes-or-more-of-it}}}", false},
		{"login: {guests: allow}", "login: {guests: allow, app_cookies: [PHPSESSID]}", false},
		{"login: {guests: allow}", "login: {guests: allow}\n    headers: {user: X-User}", false},
		{"login: {guests: allow}", "login: {guests: allow}\n    assertion: {ttl: 6m}", false},
		{"upstream: http://127.0.0.1:", "upstream: http://localhost:", false},
		{"public_port: 80", "public_port: 8080", false},
	} {
		t.Run(row.to, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "gateway.yaml")
			text := plain(t, echo(t), "a.localhost")
			write(t, file, text)
			r := reloads(t, file, time.Hour)
			before := r.current.routes["a.localhost"].route.Upstream
			changed := strings.Replace(text, row.from, row.to, 1)
			if changed == text {
				t.Fatal("nothing is changed")
			}
			write(t, file, changed)
			if _, err := r.reload(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			if kept := r.current.routes["a.localhost"].route.Upstream == before; kept != row.kept {
				t.Errorf("kept: %t, want %t", kept, row.kept)
			}
		})
	}
}

// TestReloadLeaksNothing: two hundred reloads, each with other ways to the apps and
// requests to them, leave no goroutines, files or memory behind.
func TestReloadLeaksNothing(t *testing.T) {
	file, app := filepath.Join(t.TempDir(), "gateway.yaml"), echo(t)
	text := plain(t, app, "a.localhost", "b.localhost")
	write(t, file, text)
	r := reloads(t, file, time.Hour)
	round := func(i int) {
		next := strings.ReplaceAll(text, "login: {guests: allow}", fmt.Sprintf("login: {guests: allow}\n    headers: {user: X-User-%d}", i))
		if i%3 == 0 {
			next += publicRoute("  - ", app, fmt.Sprintf("n%d.localhost", i))
		}
		write(t, file, next)
		if _, err := r.reload(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		for _, host := range []string{"a.localhost", "b.localhost"} {
			if got := r.status(host, "/"); got != http.StatusOK {
				t.Fatalf("%s is answered %d", host, got)
			}
		}
	}
	for i := range 20 {
		round(i)
	}
	goroutines, files, heap := used(t)
	for i := range 200 {
		round(20 + i)
	}
	for limit := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		g, f, h := used(t)
		if g <= goroutines+20 && f <= files+20 && h <= heap+8<<20 {
			t.Logf("goroutines %d → %d, files %d → %d, heap %d → %d KiB", goroutines, g, files, f, heap>>10, h>>10)
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("goroutines %d → %d, files %d → %d, heap %d → %d KiB", goroutines, g, files, f, heap>>10, h>>10)
		}
	}
}

// TestManagedAppOfAFailedReload: apps that were read for a configuration that could
// not be applied are put in force with the one that is, though nothing changes any
// more.
func TestManagedAppOfAFailedReload(t *testing.T) {
	file, app := filepath.Join(t.TempDir(), "gateway.yaml"), echo(t)
	write(t, file, strings.Replace(plain(t, app, "a.localhost"), "slack_app: {client_id: \"1\", client_secret: s3cret}", "slack_app: {managed: true}", 1))
	r := reloads(t, file, time.Hour)
	sealed, err := r.keys.master.Seal("slack-app", "a.localhost", []byte(`{"client_id": "42.1", "client_secret": "s3cret"}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.store.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO slack_app (route, sealed, team, changed_at) VALUES ('a.localhost', $1, 'T0AGRAF001', 1)`, sealed)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	broken := *r.current.served()
	broken.Routes = slices.Clone(broken.Routes)
	broken.Routes[0].Upstream = &proxy.Upstream{URL: "none"} // no file with it gets past its check
	if err := r.apply(t.Context(), &broken); err == nil {
		t.Fatal("it is applied")
	}
	for limit := time.Now().Add(10 * time.Second); r.current.served().Routes[0].SlackApp.ClientID != "42.1"; runtime.Gosched() {
		if time.Now().After(limit) {
			t.Fatalf("in force: %+v", r.current.served().Routes[0].SlackApp)
		}
	}
}

// used is what the process holds.
func used(t *testing.T) (goroutines, files int, heap uint64) {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("this system does not say which files are open: ", err)
	}
	runtime.GC()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	return runtime.NumGoroutine(), len(list), mem.HeapAlloc
}

// TestReloadStorm: hang-ups, requests of operators and changes of the file at once
// end with what the file says last.
func TestReloadStorm(t *testing.T) {
	file, app := filepath.Join(t.TempDir(), "gateway.yaml"), echo(t)
	text := plain(t, app, "a.localhost")
	write(t, file, text)
	r := reloads(t, file, time.Millisecond)
	done := make(chan struct{})
	for range 3 {
		go func() {
			defer func() { done <- struct{}{} }()
			for range 40 {
				select {
				case r.hangups <- syscall.SIGHUP:
				default:
				}
				_, _ = r.reload(t.Context(), false) // half a file is refused
			}
		}()
	}
	for i := range 40 {
		write(t, file, text+publicRoute("  - ", app, fmt.Sprintf("n%d.localhost", i)))
		if got := r.status("a.localhost", "/"); got != http.StatusOK {
			t.Errorf("answered %d", got)
		}
	}
	for range 3 {
		<-done
	}
	for limit := time.Now().Add(10 * time.Second); r.status("n39.localhost", "/") != http.StatusOK || r.configuration().Error != ""; runtime.Gosched() {
		if time.Now().After(limit) {
			t.Fatalf("in force: %+v", r.configuration())
		}
	}
}
