package certs

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// lookEvery is how often the files are read. They are compared by what they
	// hold, so that nothing depends on how they are replaced: written in place,
	// renamed over, or behind a symbolic link that moves, as Kubernetes does it.
	lookEvery = 10 * time.Second
	// warnEvery is how often it is said that the certificate is about to expire.
	warnEvery = 24 * time.Hour
	// warnBefore is how long before its end that begins, for a certificate that
	// lives three times as long or longer.
	warnBefore = 21 * 24 * time.Hour
	// maxFile bounds a file; a chain of four certificates has 8 KiB.
	maxFile = 1 << 20
)

// pair is a certificate with its key.
type pair struct {
	tls  *tls.Certificate
	leaf *x509.Certificate
}

// isFor tells whether the certificate is for a host.
func (p *pair) isFor(host string) bool { return host != "" && p.leaf.VerifyHostname(host) == nil }

// warnFrom is when it is time to say that the certificate expires.
func (p *pair) warnFrom() time.Time {
	return p.leaf.NotAfter.Add(-min(warnBefore, p.leaf.NotAfter.Sub(p.leaf.NotBefore)/3))
}

// file is the operator's own certificate. What its files held when they last
// were a certificate and its key goes on while they are not.
type file struct {
	cert, key string
	log       *slog.Logger
	pair      atomic.Pointer[pair]

	mu     sync.Mutex
	seen   [sha256.Size]byte // what the files held when they were last looked at
	failed error             // why that is not in force; nil: it is
	warned time.Time
}

func openFile(cert, key string, log *slog.Logger) (*file, error) {
	f := &file{cert: cert, key: key, log: log}
	f.look()
	return f, f.failed
}

// follow looks at the files until ctx ends.
func (f *file) follow(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	f.warn(time.Now())
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			f.look()
			f.warn(now)
		}
	}
}

// look reads the files, and puts what they hold in force if it is a certificate
// and its key. Between the writing of the one and of the other it is not; that
// is said once, not at each look.
func (f *file) look() {
	f.mu.Lock()
	defer f.mu.Unlock()
	cert, err1 := readFile(f.cert)
	key, err2 := readFile(f.key)
	err := errors.Join(err1, err2)
	seen := sha256.Sum256(fmt.Appendf(nil, "%d:%s%s%v", len(cert), cert, key, err))
	if seen == f.seen {
		return
	}
	f.seen = seen
	var p *pair
	if err == nil {
		p, err = parsePair(cert, key)
	}
	f.failed = err
	before := f.pair.Load()
	switch {
	case err != nil && before != nil:
		f.log.Error("certificate files cannot be used; the former certificate goes on", "cert", f.cert, "error", err, "not_after", before.leaf.NotAfter)
	case err == nil:
		f.pair.Store(p)
		f.warned = time.Time{}
		f.log.Info("certificate read", "cert", f.cert, "names", p.leaf.DNSNames, "not_after", p.leaf.NotAfter, "again", before != nil)
	}
}

// readFile reads a regular file: a pipe in its place would keep look, and with it
// the stop of the program, waiting for ever.
func readFile(name string) ([]byte, error) {
	switch info, err := os.Stat(name); {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: is not a regular file", name)
	case info.Size() > maxFile:
		return nil, fmt.Errorf("%s: is too large for a certificate", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// parsePair reads a certificate and its key. The errors of crypto/tls may quote
// what the files hold, which may be the wrong ones.
func parsePair(cert, key []byte) (*pair, error) {
	parsed, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, errors.New("no certificate in PEM, or not that of the key")
	}
	return &pair{&parsed, parsed.Leaf}, nil
}

// warn says daily that the certificate is about to expire.
func (f *file) warn(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.pair.Load()
	if now.Before(p.warnFrom()) || now.Sub(f.warned) < warnEvery {
		return
	}
	f.warned = now
	f.log.Warn("certificate is about to expire, or has", "cert", f.cert, "not_after", p.leaf.NotAfter, "days_left", int(p.leaf.NotAfter.Sub(now).Hours()/24))
}
