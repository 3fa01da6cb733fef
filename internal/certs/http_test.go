package certs

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestRedirect: what the plain listener answers, to raw requests.
func TestRedirect(t *testing.T) {
	c := &Certificates{serves: hosts(agrafmania, "[::1]"), hsts: time.Hour}
	server := httptest.NewServer(c.Redirect(func(host string) string { return "https://" + host + ":8443" }))
	t.Cleanup(server.Close)
	const origin = "https://" + agrafmania + ":8443"
	for _, row := range []struct {
		name, request string
		want          int
		location      string
	}{
		{"page", "GET /dossiers/12 HTTP/1.1\r\nHost: " + agrafmania, 301, origin + "/dossiers/12"},
		{"head", "HEAD / HTTP/1.1\r\nHost: " + agrafmania, 301, origin + "/"},
		{"post keeps its method", "POST /save.php HTTP/1.1\r\nContent-Length: 0\r\nHost: " + agrafmania, 308, origin + "/save.php"},
		{"any other method", "MKCOL /x HTTP/1.1\r\nHost: " + agrafmania, 308, origin + "/x"},
		{"byte for byte", "GET /a%2Fb//../%C3%A9;x=1?q=50%&b=2;a=+%20&& HTTP/1.1\r\nHost: " + agrafmania, 301, origin + "/a%2Fb//../%C3%A9;x=1?q=50%&b=2;a=+%20&&"},
		{"empty query", "GET /a? HTTP/1.1\r\nHost: " + agrafmania, 301, origin + "/a?"},
		{"host as browsers and others write it", "GET / HTTP/1.1\r\nHost: AGRAFMANIA.Cocoom.com.:80", 301, origin + "/"},
		{"address", "GET / HTTP/1.1\r\nHost: [::1]:80", 301, "https://[::1]:8443/"},
		{"whole address", "GET http://" + agrafmania + "/a?b=%zz HTTP/1.1\r\nHost: evil.example", 301, origin + "/a?b=%zz"},
		{"whole address without a path", "GET http://" + agrafmania + " HTTP/1.1\r\nHost: evil.example", 301, origin + "/"},
		{"no challenge without an authority", "GET /.well-known/acme-challenge/x HTTP/1.1\r\nHost: " + agrafmania, 301, origin + "/.well-known/acme-challenge/x"},

		{"open redirect by Host", "GET / HTTP/1.1\r\nHost: evil.example", 421, ""},
		{"open redirect by user name", "GET / HTTP/1.1\r\nHost: " + agrafmania + "@evil.example", 400, ""},
		{"open redirect by port", "GET / HTTP/1.1\r\nHost: " + agrafmania + ":80.evil.example", 421, ""},
		{"open redirect by X-Forwarded-Host", "GET / HTTP/1.1\r\nX-Forwarded-Host: evil.example\r\nHost: " + agrafmania, 301, origin + "/"},
		{"open redirect by whole address", "GET http://evil.example/ HTTP/1.1\r\nHost: " + agrafmania, 421, ""},
		{"open redirect by slashes", "GET //evil.example/ HTTP/1.1\r\nHost: " + agrafmania, 301, origin + "//evil.example/"},
		{"open redirect by missing slash", "GET .evil.example HTTP/1.1\r\nHost: " + agrafmania, 400, ""},
		{"header by a line end", "GET /a\rX: y HTTP/1.1\r\nHost: " + agrafmania, 400, ""},
		{"no host", "GET / HTTP/1.0\r\nX: y", 421, ""},
		{"tunnel", "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443", 421, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			must(t, err)
			defer conn.Close()
			must(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
			fmt.Fprint(conn, row.request+"\r\n\r\n")
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			must(t, err)
			resp.Body.Close()
			if resp.StatusCode != row.want || resp.Header.Get("Location") != row.location {
				t.Errorf("answered %d %s, want %d %s", resp.StatusCode, resp.Header.Get("Location"), row.want, row.location)
			}
			if resp.Header.Get("Strict-Transport-Security") != "" {
				t.Error("says Strict-Transport-Security over plain HTTP")
			}
		})
	}
}

// TestGuard: which requests a connection may carry, and what is said of https.
func TestGuard(t *testing.T) {
	const outside = "relais.cocoom.com"
	cert, key := newPair(t, time.Hour, agrafmania, port)
	dir := t.TempDir()
	certFile, keyFile := plainFiles(cert, key)(t, dir)
	own, err := openFile(certFile, keyFile, (&record{}).logger())
	must(t, err)
	both := &Certificates{serves: hosts(agrafmania, port, outside, "demo.localhost"), file: own, acme: &issued{}, hsts: 720 * time.Hour}
	files := &Certificates{serves: both.serves, file: own}
	silent := &Certificates{serves: both.serves, file: own, hsts: -1}
	for _, row := range []struct {
		name            string
		c               *Certificates
		handshake, host string
		app             string // what the app says itself
		want            int
		hsts            string
	}{
		{"own host", both, agrafmania, agrafmania, "", 200, "max-age=2592000"},
		{"in other letters, with a port", both, "AGRAFMANIA.cocoom.com", agrafmania + ":8443", "", 200, "max-age=2592000"},
		{"two hosts of one certificate", both, agrafmania, port, "", 200, "max-age=2592000"},
		{"another certificate's host", both, agrafmania, outside, "", 421, ""},
		{"handshake of another certificate", both, outside, agrafmania, "", 421, ""},
		{"handshake without a name", both, "", outside, "", 200, "max-age=2592000"},
		{"one certificate for all", files, agrafmania, outside, "", 200, "max-age=0"},
		{"instead of the app's", both, port, port, "max-age=1; includeSubDomains", 200, "max-age=2592000"},
		{"switched off", silent, port, port, "", 200, ""},
		{"switched off, the app's stays", silent, port, port, "max-age=1", 200, "max-age=1"},
		{"a developer's machine", both, "demo.localhost", "demo.localhost", "", 200, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := row.c.Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if row.app != "" {
					w.Header().Add("Strict-Transport-Security", row.app)
				}
				_, _ = io.WriteString(w, "page")
			}))
			r := httptest.NewRequest("GET", "https://"+row.host+"/", nil)
			r.TLS = &tls.ConnectionState{ServerName: row.handshake}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if got := strings.Join(w.Header()["Strict-Transport-Security"], ", "); w.Code != row.want || got != row.hsts {
				t.Errorf("answered %d with %q, want %d with %q", w.Code, got, row.want, row.hsts)
			}
		})
	}
}

// TestWhichCertificate: the operator's own is preferred for its names, is shown
// to whom names nothing, and leaves strangers' names alone.
func TestWhichCertificate(t *testing.T) {
	cert, key := newPair(t, time.Hour, "*.cocoom.com", "probe.internal")
	certFile, keyFile := plainFiles(cert, key)(t, t.TempDir())
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(cert))

	r := newReplica(t)
	a := r.authority(t)
	r.start(t, Config{Serves: hosts(agrafmania, "agrafmania.fr"), Cert: certFile, Key: keyFile, ACME: r.acme(t, a, sqlite(t)), HSTS: time.Hour})
	alone := newReplica(t)
	alone.start(t, Config{Serves: hosts(agrafmania, "agrafmania.fr"), Cert: certFile, Key: keyFile})
	for _, row := range []struct {
		name string
		r    *replica
		host string
		want string // the certificate's first name; or a part of the error
		asks bool
	}{
		{"covered", r, agrafmania, "*.cocoom.com", false},
		{"covered, no route", r, "probe.internal", "*.cocoom.com", false},
		{"no name", r, "", "*.cocoom.com", false},
		{"not covered", r, "agrafmania.fr", "agrafmania.fr", true},
		{"stranger", r, "evil.example", "unrecognized name", false},
		{"not covered, no authority", alone, "agrafmania.fr", "*.cocoom.com", false},
		{"stranger, no authority", alone, "evil.example", "unrecognized name", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := a.Requests.Load()
			conn, err := tls.Dial("tcp", row.r.public.Addr().String(), &tls.Config{ServerName: row.host, InsecureSkipVerify: true})
			switch {
			case err != nil && !strings.Contains(err.Error(), row.want):
				t.Fatalf("got %v, want %s", err, row.want)
			case err == nil:
				defer conn.Close()
				if got := conn.ConnectionState().PeerCertificates[0].DNSNames[0]; got != row.want {
					t.Errorf("got the certificate of %s, want %s", got, row.want)
				}
			}
			if asks := a.Requests.Load() > before; asks != row.asks {
				t.Errorf("asked the authority: %t", asks)
			}
		})
	}

	t.Run("HTTP/2, and nothing older than TLS 1.2", func(t *testing.T) {
		client := http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true,
			TLSClientConfig: &tls.Config{ServerName: agrafmania, RootCAs: roots}}}
		defer client.CloseIdleConnections()
		req, err := http.NewRequest("GET", "https://"+r.public.Addr().String()+"/", nil)
		must(t, err)
		req.Host = agrafmania
		resp, err := client.Do(req)
		must(t, err)
		resp.Body.Close()
		if resp.ProtoMajor != 2 || resp.StatusCode != 200 || resp.Header.Get("Strict-Transport-Security") != "max-age=3600" {
			t.Errorf("got %s %d %s", resp.Proto, resp.StatusCode, resp.Header)
		}
		_, err = tls.Dial("tcp", r.public.Addr().String(), &tls.Config{ServerName: agrafmania, RootCAs: roots, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
		if err == nil || !strings.Contains(err.Error(), "protocol version") {
			t.Errorf("TLS 1.1: %v", err)
		}
	})
}
