package configs

import (
	"crypto/tls"
	"crypto/x509"
	"net/url"
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
		redirect, ok := v.listener("tls.redirect", t.Redirect, ":80")
		listen, err := listenerOf(v.cfg.Listen)
		if ok && err == nil && redirect.meets(listen) {
			v.main.mistake("tls.redirect", "is the address of listen too: give it a port of its own, such as :80")
		}
		if ok && !t.On() {
			v.main.mistake("tls.redirect", "sends browsers to https, but nothing here ends TLS: add acme, or cert and key, or remove redirect")
		}
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
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		v.main.mistake("tls.cert", "is no certificate in PEM, or not that of tls.key: name the files of one certificate and its own key")
	}
}

func (v *validator) acme(a *ACME) {
	if a.Email == "" || !strings.Contains(a.Email, "@") || strings.ContainsAny(a.Email, " ,;<>") {
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
	content, err := readRegular(*path, maxSecret)
	if err != nil {
		v.main.mistake(key, err.Error()+"; name a PEM file that the gateway may read")
	}
	return content, err == nil
}
