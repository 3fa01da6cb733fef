package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// office is a Slack, an app that echoes on WebSockets, and a configuration in
// front of it.
type office struct {
	t      *testing.T
	slack  *slacksim.Server
	origin string // on the first replica; all share a host, so also their cookies
	config string
	heard  *evidence // what its gateways say
}

func newOffice(t *testing.T, state string) *office {
	t.Helper()
	c, port := customers[0], freePort(t)
	o := &office{t: t, heard: overheard, origin: fmt.Sprintf("http://%s:%d", c.Host, port)}
	var err error
	if o.slack, err = slacksim.Listen("127.0.0.1:0", slacksim.Config{NoMethodLimit: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.slack.Close() })
	if err := errors.Join(o.slack.AddWorkspace(c.workspace()), o.slack.AddApp(c.app(o.origin))); err != nil {
		t.Fatal(err)
	}
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/socket" {
			fmt.Fprint(w, r.Header.Get("X-Forwarded-User"))
			return
		}
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer conn.CloseNow()
		_ = conn.Write(r.Context(), websocket.MessageText, []byte("hello"))
		_, _, _ = conn.Read(r.Context())
	}))
	t.Cleanup(app.Close)
	o.config = fmt.Sprintf(`state: %s
master_key: MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=
listen: 127.0.0.1:PORT
public_port: %d
admin: 127.0.0.1:0
public_scheme: http
slack: {issuer: %[3]s, api_url: %[3]s/api/}
routes:
  - host: %s
    upstream: %s
    workspace: %s
    slack_app: {client_id: "%s", client_secret: %s, bot_token: %s}
    login: {}
`, state, port, o.slack.URL(), c.Host, app.URL, c.Team, c.ClientID, c.ClientSecret, c.BotToken)
	return o
}

// file writes the configuration for a gateway on a port; 0: any.
func (o *office) file(port string) string {
	o.t.Helper()
	file := filepath.Join(o.t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(file, []byte(strings.Replace(o.config, "PORT", port, 1)), 0o600); err != nil {
		o.t.Fatal(err)
	}
	return file
}

// start runs a gateway on a port; 0: any. stop ends it, and must succeed.
func (o *office) start(port string) (p *program, stop func()) {
	o.t.Helper()
	return o.startFile(o.file(port))
}

// startFile is start with a file of o's.
func (o *office) startFile(file string) (p *program, stop func()) {
	o.t.Helper()
	cfg, err := configs.Load(file, os.Getenv)
	if err != nil {
		o.t.Fatal(err)
	}
	if p, err = start(o.t.Context(), cfg, o.heard.logger()); err != nil {
		o.t.Fatal(err)
	}
	return p, runsHeard(o.t, p, o.heard)
}

// member is somebody's browser; it dials the replica at whatever it asks for.
type member struct {
	*office
	http.Client
	at *program
}

// member signs somebody in on a replica.
func (o *office) member(p *program, user string) *member {
	o.t.Helper()
	m := o.browser(p)
	if in := m.signIn(user); in.Request.URL.String() != o.origin+"/" {
		o.t.Fatalf("signing in ended at %s with %d", in.Request.URL, in.StatusCode)
	}
	return m
}

// browser is that of nobody yet.
func (o *office) browser(p *program) *member {
	jar, _ := cookiejar.New(nil)
	m := &member{office: o, at: p}
	own := strings.TrimPrefix(o.origin, "http://")
	m.Client = http.Client{Jar: jar, Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == own {
			address = m.at.public.addr()
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}}}
	o.t.Cleanup(m.CloseIdleConnections)
	return m
}

// signIn goes to Slack and picks somebody; it gives where that ends.
func (m *member) signIn(user string) *http.Response {
	m.t.Helper()
	resp := m.ask("GET", m.origin+"/", nil)
	if strings.HasPrefix(resp.Request.URL.String(), m.origin) {
		m.t.Fatalf("not sent to Slack, but answered %d", resp.StatusCode)
	}
	return m.ask("POST", resp.Request.URL.String(), url.Values{"person": {customers[0].Team + ":" + user}})
}

func (m *member) ask(method, address string, form url.Values) *http.Response {
	m.t.Helper()
	req, err := http.NewRequest(method, address, strings.NewReader(form.Encode()))
	if err != nil {
		m.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	if method == "POST" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := m.Do(req)
	if err != nil {
		m.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp
}

// signedIn reports whether the app is reached.
func (m *member) signedIn() bool {
	m.t.Helper()
	return m.ask("GET", m.origin+"/", nil).Request.URL.String() == m.origin+"/"
}

// socket opens the app's WebSocket and waits for its word.
func (m *member) socket() *websocket.Conn {
	m.t.Helper()
	return m.socketAt("/socket")
}

// command runs one command line of Léa's, which must succeed, and gives what it prints.
func command(t *testing.T, args ...string) string {
	t.Helper()
	out, _ := exits(t, 0, args...)
	return out
}

// exits runs one command line of Léa's, which must end with that code.
func exits(t *testing.T, want int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	getenv := func(name string) string { return map[string]string{"USER": "lea"}[name] }
	got := run(t.Context(), args, getenv, &out, &errs)
	if !slices.Contains([]string{"setup", "break-glass", "tokens"}, args[0]) { // which print secrets once
		fmt.Fprint(overheard.at("what "+args[0]+" prints"), &out, &errs)
	}
	if got != want {
		t.Fatalf("%v exited with %d, want %d: %s%s", args, got, want, &out, &errs)
	}
	return out.String(), errs.String()
}
