package certs

import (
	"crypto/x509"
	"slices"
	"time"
)

// Certificate is one that hosts are served with.
type Certificate struct {
	Names    []string
	NotAfter time.Time
	// Expiring says that it should have been replaced by now.
	Expiring bool
	// File says that it is the operator's own.
	File bool
}

// Status is what an operator wants to know of certificates.
type Status struct {
	// Own is the operator's own certificate; nil: there is none.
	Own *Certificate
	// Broken is why what the files hold now is not in force; nil: it is.
	Broken error
	// Issued counts the authority's certificates that this process has at hand,
	// and First is the one of them that expires first; nil: there is none.
	Issued int
	First  *Certificate
	// Failures are the hosts that the authority gives none for, the longest first.
	Failures []Failure
}

// Status says how the certificates are. It asks nobody.
func (c *Certificates) Status() Status {
	var s Status
	now := time.Now()
	if own := c.own(); own != nil {
		s.Own = describe(own, true, now)
		c.file.mu.Lock()
		s.Broken = c.file.failed
		c.file.mu.Unlock()
	}
	if c.acme == nil {
		return s
	}
	for _, host := range c.acme.hosts() {
		cert, ok := c.acme.inMemory(host)
		if !ok {
			continue
		}
		s.Issued++
		if s.First == nil || cert.Leaf.NotAfter.Before(s.First.NotAfter) {
			s.First = describe(&pair{leaf: cert.Leaf}, false, now)
		}
	}
	s.Failures = c.acme.failures.list(c.wanted)
	return s
}

// Of gives the certificate that a host is served with, as far as this process has
// it at hand: ok is false for a host that nobody has asked for yet.
func (c *Certificates) Of(host string) (_ Certificate, ok bool) {
	own := c.own()
	if own != nil && (own.isFor(host) || c.acme == nil) {
		return *describe(own, true, time.Now()), true
	}
	if c.acme == nil {
		return Certificate{}, false
	}
	cert, ok := c.acme.inMemory(host)
	if !ok {
		return Certificate{}, false
	}
	return *describe(&pair{leaf: cert.Leaf}, false, time.Now()), true
}

func describe(p *pair, file bool, now time.Time) *Certificate {
	return &Certificate{Names: names(p.leaf), NotAfter: p.leaf.NotAfter, Expiring: !now.Before(p.warnFrom()), File: file}
}

func names(leaf *x509.Certificate) []string {
	list := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		list = append(list, ip.String())
	}
	return list
}

// hosts lists those that this process has had a certificate of and that are
// still wanted.
func (a *issued) hosts() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]string, 0, len(a.known))
	for host := range a.known {
		if !a.wanted(host) {
			delete(a.known, host)
			continue
		}
		list = append(list, host)
	}
	return list
}
