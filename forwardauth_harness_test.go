package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// behind is a world in which another proxy carries the requests to the app, and
// asks a gateway that does not know where the app is.
type behind struct {
	t       *testing.T
	port    int // of the proxy
	origin  string
	slack   *slacksim.Server
	gateway *program
	token   string // of a program that may call /cron/
	app     *httptest.Server
	change  func(conf string) string // what a test alters in the shipped file; nil: nothing

	mu   sync.Mutex
	seen []*http.Request // what reached the app
}

func newBehind(t *testing.T) *behind {
	t.Helper()
	c, b := customers[0], &behind{t: t, port: freePort(t)}
	b.origin = fmt.Sprintf("http://%s:%d", c.Host, b.port)
	b.app = httptest.NewServer(b.handler())
	t.Cleanup(b.app.Close)
	var err error
	if b.slack, err = slacksim.Listen("127.0.0.1:0", slacksim.Config{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.slack.Close() })
	if err := b.slack.AddWorkspace(c.workspace()); err != nil {
		t.Fatal(err)
	}
	if err := b.slack.AddApp(c.app(b.origin)); err != nil {
		t.Fatal(err)
	}
	token, hash := gateway.NewServiceToken()
	b.token = token.Reveal()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	config := fmt.Sprintf(`
listen: 127.0.0.1:0
admin: 127.0.0.1:0
private: 127.0.0.1:0
trusted_proxies: [127.0.0.0/8]
session: {idle: 1m}
public_scheme: http
public_port: %d
slack: {issuer: %q, api_url: %q}
routes:
  - host: %s
    workspace: %s
    slack_app: {client_id: %q, client_secret: %q, bot_token: %q}
    login: {}
    service_tokens: [{id: cron, hash: %q, not_after: 2099-01-01, paths: [/cron/*]}]
    policy:
      - {path: /public/*, allow: public}
      - {path: /cron/*, allow: {service_tokens: [cron]}}
      - {path: /admin/*, allow: {emails: [nobody@agrafmania.fr]}}
      - {path: "/**", allow: members}
`, b.port, b.slack.URL(), b.slack.URL()+"/api/", c.Host, c.Team, c.ClientID, c.ClientSecret, c.BotToken, hash)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := configs.Load(file, os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	if b.gateway, err = start(t.Context(), cfg, overheard.logger()); err != nil {
		t.Fatal(err)
	}
	runs(t, b.gateway)
	return b
}

// handler is the app: a page that says what arrived, and a WebSocket that says
// who is there.
func (b *behind) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		b.mu.Lock()
		b.seen = append(b.seen, r)
		b.mu.Unlock()
		if r.URL.Path == "/socket" {
			conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
			if err != nil {
				return
			}
			defer conn.CloseNow()
			_ = conn.Write(r.Context(), websocket.MessageText, []byte(r.Header.Get("X-Forwarded-User")))
			_, _, _ = conn.Read(r.Context()) // until the browser goes
			return
		}
		w.Header().Add("Set-Cookie", "PHPSESSID=app; Path=/")
		fmt.Fprintf(w, `<!doctype html><title>app</title><p id="user">%s</p><p id="uri">%s</p><p id="body">%s</p>
<form id="form" method="post" action="/save?a=1"><input name="text" value="written"><button id="send">send</button></form>`,
			r.Header.Get("X-Forwarded-User"), r.RequestURI, body)
	})
}

// last is the latest request that reached the app; nil if none did.
func (b *behind) last() *http.Request {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.seen) == 0 {
		return nil
	}
	return b.seen[len(b.seen)-1]
}

// shipped is a file of docs/forward-auth with this world's addresses.
func (b *behind) shipped(name string, replace ...string) string {
	b.t.Helper()
	raw, err := os.ReadFile(filepath.Join("docs/forward-auth", name))
	if err != nil {
		b.t.Fatal(err)
	}
	replace = append(replace, "10.0.0.12:8000", b.app.Listener.Addr().String(),
		"10.0.0.5:8080", b.gateway.public.addr(), "10.0.0.5:9091", b.gateway.private.addr())
	for i := 0; i < len(replace); i += 2 {
		if !bytes.Contains(raw, []byte(replace[i])) {
			b.t.Fatalf("%s does not hold %q", name, replace[i])
		}
	}
	conf := strings.NewReplacer(replace...).Replace(string(raw))
	if b.change != nil {
		conf = b.change(conf)
	}
	return conf
}

// startNginx runs nginx with the shipped configuration, as whoever runs the test.
func (b *behind) startNginx() {
	b.t.Helper()
	b.nginx(b.shipped("nginx.conf", "listen 443 ssl;", fmt.Sprintf("listen 127.0.0.1:%d;", b.port), "agrafmania.cocoom.com", customers[0].Host,
		"    ssl_certificate     /etc/ssl/agrafmania.pem;\n", "", "    ssl_certificate_key /etc/ssl/agrafmania.key;\n", ""))
}

// nginx runs one whose http block holds site.
func (b *behind) nginx(site string) {
	b.t.Helper()
	nginx, dir, paths := need(b.t, "nginx"), b.t.TempDir(), ""
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		paths += fmt.Sprintf("%s_temp_path %s/%s;\n", kind, dir, kind)
	}
	conf := fmt.Sprintf("daemon off; master_process off; pid %s/pid; error_log stderr error;\nevents {}\nhttp {\naccess_log off;\n%s%s}\n", dir, paths, site)
	b.serve(exec.Command(nginx, "-p", dir, "-e", "stderr", "-c", b.file(dir, "nginx.conf", conf)))
}

// startCaddy runs Caddy with the shipped configuration.
func (b *behind) startCaddy() {
	b.t.Helper()
	caddy := need(b.t, "caddy")
	dir := b.t.TempDir()
	site := b.shipped("Caddyfile", "agrafmania.cocoom.com {", fmt.Sprintf("http://%s:%d {\n\tbind 127.0.0.1", customers[0].Host, b.port))
	cmd := exec.Command(caddy, "run", "--adapter", "caddyfile", "--config", b.file(dir, "Caddyfile", "{\n\tadmin off\n\tauto_https off\n}\n"+site))
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	b.serve(cmd)
}

func (b *behind) file(dir, name, content string) string {
	b.t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// serve runs a proxy until the end of the test, and waits until it listens.
func (b *behind) serve(cmd *exec.Cmd) {
	b.t.Helper()
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	b.t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
		if b.t.Failed() {
			b.t.Logf("%s said:\n%s", cmd.Path, &said)
		}
	})
	for range 400 {
		if conn, err := net.Dial("tcp", loopback(b.port)); err == nil {
			conn.Close()
			return
		}
		select {
		case <-ended:
			b.t.Fatalf("%s ended", cmd.Path)
		case <-time.After(25 * time.Millisecond): // it does not say when it listens
		}
	}
	b.t.Fatalf("%s does not start", cmd.Path)
}

// visitor is a browser without a screen.
type visitor struct {
	b *behind
	http.Client
}

func (b *behind) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.t.Fatal(err)
	}
	tr := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if strings.HasPrefix(address, customers[0].Host) {
			address = loopback(b.port)
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	b.t.Cleanup(tr.CloseIdleConnections)
	return &visitor{b, http.Client{Jar: jar, Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// visit opens a page, with more headers, which may be spelled as they like; it
// gives the answer and its body.
func (v *visitor) visit(method, address, body string, header ...string) (*http.Response, string) {
	v.b.t.Helper()
	req, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		v.b.t.Fatal(err)
	}
	req.Header = http.Header{"Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}, "Accept": {"text/html"}}
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header[header[i]] = []string{header[i+1]}
	}
	resp, err := v.Do(req)
	if err != nil {
		v.b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		v.b.t.Fatal(err)
	}
	return resp, string(text)
}

// signIn opens an address of the app and comes back to it as somebody.
func (v *visitor) signIn(address, user string) {
	v.b.t.Helper()
	to, text := v.visit("GET", address, "")
	if to.StatusCode != http.StatusFound || !strings.HasPrefix(to.Header.Get("Location"), v.b.slack.URL()) {
		v.b.t.Fatalf("%s answered %d %q: %s", address, to.StatusCode, to.Header.Get("Location"), text)
	}
	back, _ := v.visit("POST", to.Header.Get("Location"), url.Values{"person": {customers[0].Team + ":" + user}}.Encode())
	landed, text := v.visit("GET", back.Header.Get("Location"), "")
	if to := landed.Header.Get("Location"); strings.Contains(to, "/.gateway/login?again=") {
		landed, text = v.visit("GET", to, "")
	}
	if landed.Header.Get("Location") != address {
		v.b.t.Fatalf("sign-in ended on %d %q, want %q: %s", landed.StatusCode, landed.Header.Get("Location"), address, text)
	}
}

// assertion verifies what the app received with the keys of the private listener.
func (b *behind) assertion(token string) jwt.MapClaims {
	b.t.Helper()
	var set struct {
		Keys []struct{ Kid, X, Y string }
	}
	if err := json.Unmarshal(fetch(b.t, "http://"+b.gateway.private.addr()+"/.gateway/jwks.json", "any"), &set); err != nil {
		b.t.Fatal(err)
	}
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(token, claims, func(tok *jwt.Token) (any, error) {
		for _, k := range set.Keys {
			if k.Kid == tok.Header["kid"] {
				return publicKey(b.t, k.X, k.Y), nil
			}
		}
		return nil, fmt.Errorf("no key %v", tok.Header["kid"])
	}, jwt.WithAudience(customers[0].Host), jwt.WithIssuer(b.origin), jwt.WithExpirationRequired())
	if err != nil {
		b.t.Errorf("the app got an assertion that it cannot verify: %v", err)
	}
	return claims
}

func publicKey(t *testing.T, x, y string) *ecdsa.PublicKey {
	t.Helper()
	raw := []byte{4} // uncompressed, SEC 1 section 2.3.3
	for _, part := range []string{x, y} {
		b, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			t.Fatal(err)
		}
		raw = append(raw, b...)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), raw)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
