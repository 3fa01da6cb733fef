package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/internal/certs/certstest"
)

// startTLS runs a gateway with a route for relais.cocoom.com on the two ports.
func startTLS(t *testing.T, dir, section, public, redirect string, more ...string) *program {
	t.Helper()
	file := filepath.Join(dir, "gateway.yaml")
	config := fmt.Sprintf("state: ./data\nlisten: %s\nadmin: 127.0.0.1:0\npublic_port: 443\ntls: {redirect: %q, %s}\n", public, redirect, section) + `
routes:
  - host: relais.cocoom.com
    workspace: T0RELAIS01
    slack_app: {bot_token: xoxb-1}
    notify: {bearer_tokens: [ck_relais_0123456789abcdef]}
`
	for _, host := range more {
		config += "  - {host: " + host + ", workspace: T0RELAIS01, slack_app: {bot_token: xoxb-1}, notify: {bearer_tokens: [ck_relais_0123456789abcdeg]}}\n"
	}
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

// TestEndTLS: the webhook over https with a certificate from files and with one
// that an authority gives, and the way there from plain http.
func TestEndTLS(t *testing.T) {
	t.Run("files", func(t *testing.T) {
		dir := t.TempDir()
		roots := selfSigned(t, dir, "relais.cocoom.com")
		p := startTLS(t, dir, "cert: file:c.pem, key: file:k.pem", "127.0.0.1:0", "127.0.0.1:0")
		tryTLS(t, p, roots)
	})
	t.Run("ACME", func(t *testing.T) {
		dir := t.TempDir()
		public, redirect := freeAddress(t), freeAddress(t)
		a := certstest.New(t, redirect.Port, public.Port)
		if err := os.WriteFile(dir+"/acme.pem", []byte(a.CA), 0o600); err != nil {
			t.Fatal(err)
		}
		section := fmt.Sprintf("hsts: 720h, acme: {email: ops@cocoom.com, directory: %q, ca: file:acme.pem}", a.Directory)
		p := startTLS(t, dir, section, public.String(), redirect.String())
		tryTLS(t, p, a.Roots)
		if _, err := a.Shake(p.public.ln.Addr(), "evil.example"); err == nil || a.Orders.Load() != 1 {
			t.Errorf("a stranger's host: %v; %d orders", err, a.Orders.Load())
		}
	})
}

func tryTLS(t *testing.T, p *program, roots *x509.CertPool) {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				to := p.public.addr()
				if strings.HasSuffix(address, ":80") {
					to = p.redirect.addr()
				}
				return new(net.Dialer).DialContext(ctx, network, to)
			}}}
	t.Cleanup(client.CloseIdleConnections)
	ask := func(address, host string) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequest("POST", address+"/.gateway/v1/notifications?a=50%", strings.NewReader("to=U0PAUL&text=hello&key=k1"))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		req.Header.Set("Authorization", "Bearer ck_relais_0123456789abcdef")
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(body)
	}
	resp, body := ask("https://relais.cocoom.com", "")
	if resp.StatusCode != 202 || resp.ProtoMajor != 2 || resp.Header.Get("Strict-Transport-Security") != "max-age=2592000" {
		t.Errorf("https answered %d %s over %s with %v", resp.StatusCode, body, resp.Proto, resp.Header)
	}
	if resp, _ := ask("https://relais.cocoom.com", "other.cocoom.com"); resp.StatusCode != 421 {
		t.Errorf("another host over the same connection: %d", resp.StatusCode)
	}
	resp, _ = ask("http://relais.cocoom.com", "")
	const want = "https://relais.cocoom.com/.gateway/v1/notifications?a=50%"
	if got := resp.Header.Get("Location"); resp.StatusCode != 308 || got != want {
		t.Errorf("http answered %d %s, want 308 %s", resp.StatusCode, got, want)
	}
	if resp, _ := ask("http://relais.cocoom.com", "evil.example"); resp.StatusCode != 421 {
		t.Errorf("a stranger's host on the plain listener: %d", resp.StatusCode)
	}
}

// selfSigned writes a certificate and its key to c.pem and k.pem.
func selfSigned(t *testing.T, dir, host string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"c.pem": {Type: "CERTIFICATE", Bytes: cert}, "k.pem": {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	return roots
}

// freeAddress finds an address that nobody listens on: the authority is told of
// it before the gateway is there.
func freeAddress(t *testing.T) *net.TCPAddr {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr)
}
