package main

import (
	"fmt"
	"net"
	"time"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/internal/admin"
	"github.com/cocoom/cocoom-gateway/internal/certs"
)

// redirectTime is how long a request to the plain listener and its answer may
// take. Nothing there reads a body.
const redirectTime = 10 * time.Second

// certificates says until when those that hosts are served with are good.
func (p *program) certificates() map[string]time.Time {
	until := map[string]time.Time{}
	if p.certs == nil {
		return until
	}
	for _, r := range p.current.served().Routes {
		if c, ok := p.certs.Of(r.Host); ok {
			until[r.Host] = c.NotAfter
		}
	}
	return until
}

// certificateUntil is until when the certificate is good that a host is served
// with; zero: this process has none at hand, or a front proxy ends TLS.
func (p *program) certificateUntil(host string) time.Time {
	if p.certs == nil {
		return time.Time{}
	}
	c, _ := p.certs.Of(host)
	return c.NotAfter
}

// certificateAlarms are what about certificates needs a person.
func (p *program) certificateAlarms() (list []admin.Alarm) {
	if p.certs == nil {
		return nil
	}
	const kind = "certificate"
	s := p.certs.Status()
	if s.Broken != nil {
		list = append(list, admin.Alarm{Kind: kind, Reason: "files", Meaning: "What the files of tls.cert and tls.key hold now is not in force; what they held before goes on: " + s.Broken.Error() + ".",
			Remedy: "Put a certificate and its key there that belong together; they are read again by themselves."})
	}
	if s.Own != nil && s.Own.Expiring {
		list = append(list, admin.Alarm{Kind: kind, Reason: "expires", Meaning: "The certificate of tls.cert is good until " + s.Own.NotAfter.UTC().Format(time.RFC3339) + "; then browsers let nobody in.",
			Remedy: "Put a newer one in its place; it is read by itself."})
	}
	for _, f := range s.Failures {
		list = append(list, admin.Alarm{Route: f.Host, Kind: kind, Reason: "authority", Since: f.Since,
			Meaning: fmt.Sprintf("The authority gave none, %s by now: %v. It is asked again at %s.", plural(f.Count, "time"), f.Err, f.Next.UTC().Format(time.RFC3339)),
			Remedy:  "See that the host's name leads here, and that the authority reaches port 443 or 80 of it. What certificate there is goes on."})
	}
	return list
}

// endTLS makes the public listener speak TLS, if the configuration says so, and
// opens the one that redirects to it. The listener is bound already: where it is,
// an authority's challenges arrive.
func (p *program) endTLS(cfg *configs.Config) (err error) {
	if !cfg.TLS.On() {
		return nil
	}
	var redirect net.Addr
	if cfg.TLS.Redirect != "" {
		if p.redirect, err = listen("tls.redirect", cfg.TLS.Redirect, nil, p.log); err != nil {
			return err
		}
		redirect = p.redirect.ln.Addr()
	}
	c := certs.Config{Serves: p.gateway.Serves, Cert: cfg.TLS.Cert, Key: cfg.TLS.Key, HSTS: time.Duration(cfg.TLS.HSTS), Log: p.log}
	if a := cfg.TLS.ACME; a != nil {
		c.ACME = &certs.ACME{
			Email: a.Email, Directory: a.Directory, CA: a.CA.Reveal(), Store: p.store, Master: p.keys.master,
			Public: p.public.ln.Addr(), Redirect: redirect,
		}
	}
	if p.certs, err = certs.New(c); err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	p.public.http.TLSConfig = p.certs.TLS()
	p.public.http.Handler = p.certs.Guard(p.public.http.Handler)
	if p.redirect != nil {
		p.redirect.http.Handler = p.certs.Redirect(func(host string) string { return p.current.served().Origin(host) })
		p.redirect.http.ReadTimeout, p.redirect.http.WriteTimeout = redirectTime, redirectTime
	}
	return nil
}
