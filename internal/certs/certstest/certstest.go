// Package certstest runs an authority for certificates in the test's own process:
// Let's Encrypt's pebble, which validates challenges for real. Only tests import
// it.
package certstest

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

// Authority finds every name at 127.0.0.1, on the ports it was given.
type Authority struct {
	Directory string         // its directory's URL
	CA        string         // PEM: what that address is checked against
	Roots     *x509.CertPool // what it signs is checked against
	Down      atomic.Bool    // it answers 503
	Requests  atomic.Int64   // how often it was asked anything
	Orders    atomic.Int64   // how often it was asked for a certificate
}

// New starts one until the end of the test. It looks for the answers to its
// challenges on the ports, HTTP-01 on the one and TLS-ALPN-01 on the other.
func New(t *testing.T, httpPort, tlsPort int) *Authority {
	t.Helper()
	for name, value := range map[string]string{"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"} {
		if err := os.Setenv(name, value); err != nil { // the same for all; t.Setenv is not for tests side by side
			t.Fatal(err)
		}
	}
	quiet := log.New(io.Discard, "", 0)
	if testing.Verbose() {
		quiet = log.New(t.Output(), "pebble ", 0)
	}
	kept := db.NewMemoryStore()
	issuer := ca.New(quiet, kept, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {}})
	validator := va.New(quiet, httpPort, tlsPort, true, nameServer(t), kept)
	front := wfe.New(quiet, kept, validator, issuer, []string{"pebble.letsencrypt.org"}, true, false, 0, 0)
	handler := front.Handler()

	a := &Authority{Roots: x509.NewCertPool()}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.Requests.Add(1)
		if a.Down.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		if r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/order-plz") {
			a.Orders.Add(1)
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	a.Directory = server.URL + wfe.DirectoryPath
	a.CA = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	a.Roots.AddCert(issuer.GetRootCert(0).Cert)
	return a
}

// nameServer answers that every name is at 127.0.0.1.
func nameServer(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{Listener: ln, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		answer := new(dns.Msg)
		answer.SetReply(q)
		if name := q.Question[0]; name.Qtype == dns.TypeA {
			answer.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: name.Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(127, 0, 0, 1)}}
		}
		_ = w.WriteMsg(answer) // the client may be gone
	})}
	go func() { _ = server.ActivateAndServe() }() // ends with the listener
	t.Cleanup(func() { _ = server.Shutdown() })
	return ln.Addr().String()
}

// Shake makes a handshake for a host and gives the certificate, checked against
// Roots.
func (a *Authority) Shake(address net.Addr, host string) (*x509.Certificate, error) {
	conn, err := tls.Dial("tcp", address.String(), &tls.Config{ServerName: host, RootCAs: a.Roots, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0], nil
}
