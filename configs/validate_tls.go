package configs

import (
	"crypto/tls"
	"crypto/x509"
	"net/mail"
	"net/url"
	"slices"
	"strings"
)

// tls looks at the files, and whether they belong together, and at whom ACME
// asks.
func (v *validator) tls() {
	t := &v.cfg.TLS
	if t.ACME != nil {
		v.acme(t.ACME)
	}
	if t.Redirect != "" {
		v.redirect(t)
	}
	switch {
	case v.main.wrote("tls.hsts") && !t.On() && t.Key == "" && !v.main.follows("tls"):
		v.main.mistake("tls.hsts", "is for whoever ends TLS, and nothing here does: add acme, or cert and key, or let the front proxy say it")
	case t.HSTS > maxHSTS:
		v.main.mistake("tls.hsts", "is longer than two years: write a shorter time, such as 8760h for one")
	}
	if t.Cert == "" && t.Key == "" {
		return
	}
	cert, certOK := v.pem("tls.cert", &t.Cert)
	key, keyOK := v.pem("tls.key", &t.Key)
	if !certOK || !keyOK {
		return
	}
	// The error may quote what the files hold.
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		v.main.mistake("tls.cert", "is no certificate in PEM, or not that of tls.key: name the files of one certificate and its own key")
		return
	}
	v.own = pair.Leaf
}

func (v *validator) redirect(t *TLS) {
	redirect, ok := v.listener("tls.redirect", t.Redirect, ":80")
	if !ok {
		return
	}
	if !t.On() && t.Key == "" && !v.main.follows("tls") {
		v.main.mistake("tls.redirect", "sends browsers to https, but nothing here ends TLS: add acme, or cert and key, or remove redirect")
	}
	for _, other := range []struct{ key, address string }{
		{"listen", v.cfg.Listen}, {"admin", v.cfg.Admin}, {"private", v.cfg.Private},
	} {
		if l, err := listenerOf(other.address); err == nil && redirect.meets(l) {
			v.main.mistake("tls.redirect", "is the address of "+other.key+" too: give it a port of its own, such as :80")
			return
		}
	}
}

func (v *validator) acme(a *ACME) {
	if addr, err := mail.ParseAddress(a.Email); err != nil || addr.Address != a.Email {
		v.main.mistake("tls.acme.email", "is no e-mail address: write whom the authority tells when something is wrong")
	}
	if u, err := url.Parse(a.Directory); a.Directory != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		v.main.mistake("tls.acme.directory", "is no https address: write the authority's directory, or leave it out for Let's Encrypt's")
	}
	if a.CA != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(a.CA.Reveal())) {
		v.main.mistake("tls.acme.ca", "holds no certificate in PEM: name the file as file:PATH")
	}
}

// pem reads the file that a key of tls names.
func (v *validator) pem(key string, path *string) ([]byte, bool) {
	if *path == "" {
		v.main.mistake(key, "is missing: tls needs the files of both the certificate (cert) and its key (key)")
		return nil, false
	}
	*path = relativeTo(v.main.dir(), strings.TrimPrefix(*path, "file:"))
	if v.bare {
		return nil, false
	}
	content, err := readRegular(*path, maxSecret)
	if err != nil {
		v.main.mistake(key, err.Error()+"; name a PEM file that the gateway may read")
	}
	return content, err == nil
}

// certifiable reports a host that ACME would be asked for in vain: one that the
// operator's own certificate is not for, and whose name the authority could not
// look up.
func (v *validator) certifiable(s spot) {
	acme := v.cfg.TLS.ACME
	switch {
	case acme == nil || v.own != nil && v.own.VerifyHostname(s.Host) == nil:
		return
	case v.cfg.PublicScheme != "https" || v.own == nil && v.cfg.TLS.Cert != "":
		return // that is mistaken already
	}
	const remedy = ": give it a certificate by tls.cert and tls.key"
	switch _, isAddr := hostAddr(s.Host); {
	case isAddr:
		s.mistake("host", "is an address, and ACME is asked for names alone"+remedy+", or write a host name")
	case isLocal(s.Host):
		s.mistake("host", "is this machine, for which no authority gives a certificate"+remedy)
	case acme.public() && isPrivateName(s.Host):
		s.mistake("host", "is a name of a private network, for which no public authority gives a certificate"+remedy+", or name your own authority in tls.acme.directory")
	}
}

// public tells whether the authority is one that browsers know: those give
// certificates for names of the public DNS alone.
func (a *ACME) public() bool {
	u, err := url.Parse(a.Directory)
	return a.Directory == "" || err == nil && slices.ContainsFunc(
		[]string{".letsencrypt.org", ".zerossl.com", ".pki.goog", ".ssl.com", ".buypass.com", ".sectigo.com", ".digicert.com"},
		func(domain string) bool { return strings.HasSuffix("."+u.Hostname(), domain) })
}

// isPrivateName tells whether a host has one label only or ends as no name of the
// public DNS does (RFC 2606, 6761, 6762, 7686, 8375, 9476; ICANN's .internal).
func isPrivateName(host string) bool {
	return !strings.Contains(host, ".") || slices.ContainsFunc(
		[]string{".internal", ".local", ".lan", ".home.arpa", ".test", ".example", ".invalid", ".onion", ".alt"},
		func(end string) bool { return strings.HasSuffix(host, end) })
}
