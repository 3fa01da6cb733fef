package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/admin"
)

// reloading is a gateway that reads its file again, and what its log says.
type reloading struct {
	*program
	t       *testing.T
	file    string
	hangups chan os.Signal
	lines   chan string
}

// Write takes the log's lines.
func (r *reloading) Write(line []byte) (int, error) {
	r.lines <- string(line)
	return len(line), nil
}

// reloads starts a gateway from a file that is looked at that often.
func reloads(t *testing.T, file string, every time.Duration) *reloading {
	t.Helper()
	r := &reloading{t: t, file: file, hangups: make(chan os.Signal, 1), lines: make(chan string, 10_000)}
	s := &source{path: file, getenv: os.Getenv, hangups: r.hangups, every: every}
	cfg, err := s.read()
	if err != nil {
		t.Fatal(err)
	}
	if r.program, err = start(t.Context(), cfg, slog.New(slog.NewJSONHandler(r, nil))); err != nil {
		t.Fatal(err)
	}
	r.from(s)
	runs(t, r.program)
	return r
}

// says waits for a line of the log.
func (r *reloading) says(words ...string) string {
	r.t.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case line := <-r.lines:
			all := true
			for _, w := range words {
				all = all && strings.Contains(line, w)
			}
			if all {
				return line
			}
		case <-limit:
			r.t.Fatalf("the log does not say %q", words)
		}
	}
}

// saidNothingOf reports a line that has come by now.
func (r *reloading) saidNothingOf(word string) {
	r.t.Helper()
	for {
		select {
		case line := <-r.lines:
			if strings.Contains(line, word) {
				r.t.Errorf("the log says %s", line)
			}
		default:
			return
		}
	}
}

const inForce, refusedFile = `"configuration is in force"`, `"configuration is refused; the one in force goes on"`

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// status is what a path of a host is answered with.
func (r *reloading) status(host, path string) int {
	r.t.Helper()
	req, _ := http.NewRequest("GET", "http://"+r.public.addr()+path, nil)
	req.Host = host
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		r.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.StatusCode
}

// plain is a configuration of routes to an app that anybody may open.
func plain(t *testing.T, upstream string, hosts ...string) string {
	text := "state: " + filepath.Join(t.TempDir(), "data") + "\nlisten: 127.0.0.1:0\nadmin: 127.0.0.1:0\npublic_scheme: http\npublic_port: 80\n"
	return text + routesOf(upstream, hosts...)
}

func routesOf(upstream string, hosts ...string) string {
	text := "routes:\n"
	for _, host := range hosts {
		text += publicRoute("  - ", upstream, host)
	}
	return text
}

func publicRoute(indent, upstream, host string) string {
	const route = "host: %s\nupstream: %s\nworkspace: T0AGRAF001\nslack_app: {client_id: \"1\", client_secret: s3cret}\nlogin: {guests: allow}\npolicy: [{path: \"/**\", allow: public}]\n"
	text := fmt.Sprintf(route, host, upstream)
	if indent == "" {
		return text
	}
	return indent + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ") + "\n"
}

func echo(t *testing.T) string {
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(app.Close)
	return app.URL
}

// TestReloadNotices: whatever way a file is changed in, the new configuration is
// in force soon.
func TestReloadNotices(t *testing.T) {
	const first, second = "a.localhost", "b.localhost"
	for name, change := range map[string]func(t *testing.T, dir, after string){
		"written in place": func(t *testing.T, dir, after string) { write(t, filepath.Join(dir, "gateway.yaml"), after) },
		"another file renamed to it": func(t *testing.T, dir, after string) {
			write(t, filepath.Join(dir, ".gateway.yaml.swp"), after)
			rename(t, filepath.Join(dir, ".gateway.yaml.swp"), filepath.Join(dir, "gateway.yaml"))
		},
		"moved away first": func(t *testing.T, dir, after string) {
			rename(t, filepath.Join(dir, "gateway.yaml"), filepath.Join(dir, "gateway.yaml~"))
			write(t, filepath.Join(dir, "gateway.yaml"), after)
		},
		"a new file that include names": func(t *testing.T, dir, after string) {
			write(t, filepath.Join(dir, "routes.d", "b.yaml"), publicRoute("", echo(t), second))
		},
		"an included file": func(t *testing.T, dir, after string) {
			write(t, filepath.Join(dir, "routes.d", "empty.yaml"), "- "+strings.ReplaceAll(publicRoute("", echo(t), second), "\n", "\n  "))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, app := t.TempDir(), echo(t)
			if err := os.Mkdir(filepath.Join(dir, "routes.d"), 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, "routes.d", "empty.yaml"), "[]\n")
			before := "include: [routes.d/*.yaml]\n" + plain(t, app, first)
			write(t, filepath.Join(dir, "gateway.yaml"), before)
			r := reloads(t, filepath.Join(dir, "gateway.yaml"), 5*time.Millisecond)
			if got := r.status(second, "/"); got != http.StatusMisdirectedRequest {
				t.Fatalf("before, the other route is answered %d", got)
			}
			change(t, dir, before+publicRoute("  - ", app, second))
			r.says(inForce, `"added":1`)
			for _, host := range []string{first, second} {
				if got := r.status(host, "/"); got != http.StatusOK {
					t.Errorf("%s is answered %d", host, got)
				}
			}
			if c := r.configuration(); c.Generation != 2 || c.Routes != 2 || c.Error != "" || c.Since.IsZero() || c.File != r.file {
				t.Errorf("in force: %+v", c)
			}
		})
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// TestReloadKubernetes: a mounted config map is a link to a link to a directory,
// and an update puts another directory behind the first.
func TestReloadKubernetes(t *testing.T) {
	dir, app := t.TempDir(), echo(t)
	text := plain(t, app, "a.localhost")
	text = strings.Replace(text, "client_secret: s3cret", "client_secret: file:secret", 1)
	version := func(name, text string) {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name, "gateway.yaml"), text)
		write(t, filepath.Join(dir, name, "secret"), "secret of "+name)
		if err := os.Symlink(name, filepath.Join(dir, "..next")); err != nil {
			t.Fatal(err)
		}
		rename(t, filepath.Join(dir, "..next"), filepath.Join(dir, "..data"))
	}
	version("..1", text)
	for _, name := range []string{"gateway.yaml", "secret"} {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	r := reloads(t, filepath.Join(dir, "gateway.yaml"), 5*time.Millisecond)
	version("..2", text)
	r.says(inForce, `"changed":1`)
	version("..3", text+publicRoute("  - ", app, "b.localhost"))
	r.says(inForce, `"added":1`, `"changed":1`)
}

// TestReloadRefuses: a configuration that is wrong, or half written, changes
// nothing; the log has every mistake once, the status as long as it lasts.
func TestReloadRefuses(t *testing.T) {
	dir, app := t.TempDir(), echo(t)
	file := filepath.Join(dir, "gateway.yaml")
	text := plain(t, app, "a.localhost")
	write(t, file, text)
	r := reloads(t, file, 5*time.Millisecond)
	half := text + "  - host: b.localhost\n    upstream: {url: \"http"
	write(t, file, half)
	if line := r.says(refusedFile); !strings.Contains(line, "gateway.yaml:14") {
		t.Errorf("the log says %s", line)
	}
	if c := r.configuration(); c.Generation != 1 || c.Error == "" || c.ErrorAt.IsZero() {
		t.Errorf("of half a file the status says %+v", c)
	}
	if got := r.status("a.localhost", "/"); got != http.StatusOK {
		t.Errorf("with half a file, the route is answered %d", got)
	}
	var told struct{ Configuration admin.Configuration }
	if err := (operators{address: r.admin.addr()}).get(t.Context(), "/status", &told); err != nil || told.Configuration.Error != r.configuration().Error {
		t.Errorf("the status is %+v, %v", told, err)
	}
	out, errs := exits(t, 1, "reload", "--admin", r.admin.addr())
	if out != "" || !strings.HasPrefix(errs, file+":14:") || !strings.Contains(errs, "what was in force goes on") {
		t.Errorf("reload says %s%s", out, errs)
	}
	wrong := strings.NewReplacer("guests: allow", "guests: perhaps", "allow: public", "allow: everybody").Replace(text)
	write(t, file, wrong)
	if line := r.says(refusedFile); strings.Count(line, "gateway.yaml:") != 2 {
		t.Errorf("the log says %s", line)
	}
	write(t, file, wrong) // the same again
	write(t, file, text)
	r.says(`"configuration is the one in force"`)
	r.saidNothingOf("refused")
	if c := r.configuration(); c.Generation != 1 || c.Error != "" || !c.ErrorAt.IsZero() {
		t.Errorf("of the first file again the status says %+v", c)
	}
}

// TestReloadWhenAsked: a hang-up and the command read the file at once; what only
// a restart changes is named, and does not keep the rest from coming into force.
func TestReloadWhenAsked(t *testing.T) {
	file, app := filepath.Join(t.TempDir(), "gateway.yaml"), echo(t)
	text := plain(t, app, "a.localhost", "b.localhost")
	write(t, file, text)
	r := reloads(t, file, time.Hour)
	at := "--admin=" + r.admin.addr()
	r.hangups <- syscall.SIGHUP
	r.says(`"configuration is the one in force"`)
	text = strings.Replace(text, "listen: 127.0.0.1:0", "listen: 127.0.0.1:1", 1) + "session: {idle: 1h}\n"
	write(t, file, text)
	r.hangups <- syscall.SIGHUP
	r.says(inForce, `"restart":["listen"]`)
	text = strings.Replace(text, "client_secret: s3cret", "client_secret: another", 1) // of a
	text = strings.Replace(text, "host: b.localhost", "host: c.localhost", 1)
	text = strings.Replace(text, "guests: allow}", "guests: allow, callback: /slack/back}", 1)
	write(t, file, text)
	const changes = `- b.localhost
+ c.localhost
~ a.localhost
    slack_app.client_secret: another secret
    login.callback: (not set) → /slack/back
only a restart brings these into force: listen
`
	if out := command(t, "check", "--diff", at); out != changes {
		t.Errorf("check --diff says\n%s", out)
	}
	if c := r.configuration(); c.Generation != 2 {
		t.Errorf("after a trial, generation %d is in force", c.Generation)
	}
	if out := command(t, "reload", at); out != changes+"in force: generation 3, 2 routes\n" {
		t.Errorf("reload says\n%s", out)
	}
	if out := command(t, "check", "--diff", at); out != "nothing differs\nonly a restart brings these into force: listen\n" {
		t.Errorf("check --diff says\n%s", out)
	}
	for host, want := range map[string]int{"a.localhost": 200, "b.localhost": 421, "c.localhost": 200} {
		if got := r.status(host, "/"); got != want {
			t.Errorf("%s is answered %d, want %d", host, got, want)
		}
	}
	var actor string
	if err := r.store.Read().QueryRow(`SELECT actor FROM audit WHERE action = 'configuration.reloaded'`).Scan(&actor); err != nil || actor != "lea" {
		t.Errorf("the audit names %q, %v", actor, err)
	}
}

// TestServeHangsUp: serve takes SIGHUP, which would else end it, for a request to
// read its file again.
func TestServeHangsUp(t *testing.T) {
	defer log.SetOutput(log.Writer())
	defer log.SetFlags(log.Flags())
	file, app := filepath.Join(t.TempDir(), "gateway.yaml"), echo(t)
	write(t, file, plain(t, app, "a.localhost"))
	r := &reloading{t: t, lines: make(chan string, 1000)}
	ctx, stop := context.WithCancel(t.Context())
	code := make(chan int, 1)
	go func() {
		code <- process{getenv: os.Getenv, stdout: io.Discard, stderr: r, hangups: hangups}.run(ctx, []string{"serve", "-c", file})
	}()
	r.says(`"serving"`)
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := self.Signal(syscall.SIGHUP); err != nil {
		t.Skip("this system has no SIGHUP: ", err)
	}
	r.says(`"configuration is the one in force"`)
	stop()
	if got := <-code; got != 0 {
		t.Errorf("serve ends with %d", got)
	}
}
