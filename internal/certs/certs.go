package certs

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cocoom/cocoom-gateway/internal/store"
)

// Config is what New needs. At least one of Cert and ACME must be there.
type Config struct {
	// Serves tells whether a host is one of the routes' at this moment: lower
	// case, no port. It is asked in handshakes, so it must be quick.
	Serves func(host string) bool
	// Cert and Key are the files of the operator's own certificate, both PEM;
	// empty: there is none.
	Cert, Key string
	// ACME says whom to ask for certificates; nil: nobody.
	ACME *ACME
	// HSTS is for how long browsers shall insist on https; 0 makes them forget
	// that they should, less says nothing.
	HSTS time.Duration
	Log  *slog.Logger
}

// ACME says whom to ask for certificates, and where what it gives is kept.
type ACME struct {
	// Email is told by the authority when something is wrong.
	Email string
	// Directory is the authority's directory URL; empty: Let's Encrypt's.
	Directory string
	// CA is a PEM bundle that the directory's own certificate is checked against;
	// empty: the system's.
	CA string
	// Public is where the public listener is, and Redirect where the one that
	// redirects is; nil: there is none. They must be open when certificates are
	// asked for.
	Public, Redirect net.Addr
	// Store keeps what the authority gives, sealed by Master.
	Store  *store.Store
	Master store.Master
	// RenewalCheck is how often to look for certificates that are due to be
	// renewed; 0 means every ten minutes.
	RenewalCheck time.Duration

	renewalWindow float64 // how much of a lifetime is left when it is due; 0: a third
}

// Certificates finds the certificate of each handshake. Run must run for them to
// be followed and renewed.
type Certificates struct {
	serves func(host string) bool
	file   *file   // nil: there is none
	acme   *issued // nil: there is no authority
	hsts   time.Duration
}

// New reads the files, so that what is wrong with them is an error here. It asks
// no authority.
func New(cfg Config) (*Certificates, error) {
	c := &Certificates{serves: cfg.Serves, hsts: cfg.HSTS}
	var err error
	if cfg.Cert != "" {
		if c.file, err = openFile(cfg.Cert, cfg.Key, cfg.Log); err != nil {
			return nil, err
		}
	}
	if cfg.ACME != nil {
		if c.acme, err = newIssued(*cfg.ACME, c.wanted, cfg.Log); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Run follows the files and renews what the authority has given, until ctx ends.
func (c *Certificates) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if c.file != nil {
		group.Go(func() error { return c.file.follow(ctx) })
	}
	if c.acme != nil {
		group.Go(func() error { return c.acme.run(ctx) })
	}
	return group.Wait()
}

// Close ends what New began. Run does it when it ends; who does not call Run must
// call Close.
func (c *Certificates) Close() {
	if c.acme != nil {
		c.acme.stop()
	}
}

// TLS gives the configuration of the public listener: TLS 1.2 and newer, HTTP/2,
// and the authority's challenges.
func (c *Certificates) TLS() *tls.Config {
	protocols := []string{"h2", "http/1.1"}
	if c.acme != nil {
		protocols = append(protocols, challengeProtocol)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: protocols, GetCertificate: c.get}
}

// get finds the certificate for a handshake. None and no error make crypto/tls
// answer with the alert unrecognized_name, as RFC 6066 (section 3) has it.
func (c *Certificates) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	host := hostname(hello.ServerName)
	own := c.own()
	switch {
	case own != nil && own.isFor(host) && !isChallenge(hello):
		return own.tls, nil
	case host == "" && own != nil: // a load balancer's probe, or a browser that asks for an IP address
		return own.tls, nil
	case host == "" || !c.serves(host):
		return nil, nil
	case c.acme != nil && certifiable(host):
		return c.acme.get(hello, host)
	case own != nil: // whoever is in front may not look at the name
		return own.tls, nil
	}
	return nil, nil
}

// own is the operator's certificate in force; nil: there is none.
func (c *Certificates) own() *pair {
	if c.file == nil {
		return nil
	}
	return c.file.pair.Load()
}

// wanted tells whether the authority is to be asked for a host.
func (c *Certificates) wanted(host string) bool {
	own := c.own()
	return c.serves(host) && certifiable(host) && (own == nil || !own.isFor(host))
}

// certifiable tells whether a host has a name that an authority could look up.
// What configs refuses besides depends on whose authority it is.
func certifiable(host string) bool {
	return net.ParseIP(strings.Trim(host, "[]")) == nil && host != "localhost" && !strings.HasSuffix(host, ".localhost")
}

// hostname makes of a Host header or a server name what hosts are compared as:
// lower case, without port and trailing dot, an IPv6 address in brackets.
func hostname(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.Trim(host[i+1:], "0123456789") == "" {
		host = host[:i]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
