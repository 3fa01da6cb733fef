package certs

import (
	"net/http"
	"strconv"
	"time"
)

// Guard stands before the public handler where the gateway ends TLS.
//
// It answers 421 to a request for another host than the handshake's (RFC 9110,
// section 7.4), unless one certificate is for both: browsers may then send both
// hosts' requests over one connection (RFC 9113, section 9.1.1). A client that
// named no host in its handshake may ask for any.
//
// It adds Strict-Transport-Security (RFC 6797), in place of what the app says:
// who ends TLS knows for how long there will be a certificate. Subdomains are not
// included, since those of a customer's host are not ours.
func (c *Certificates) Guard(next http.Handler) http.Handler {
	hsts := "max-age=" + strconv.FormatInt(int64(c.hsts/time.Second), 10)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil {
			next.ServeHTTP(w, r)
			return
		}
		host := hostname(r.Host)
		if !c.together(hostname(r.TLS.ServerName), host) {
			http.Error(w, "This connection was made for another host.", http.StatusMisdirectedRequest)
			return
		}
		// Developers' machines serve other things by the same names.
		if c.hsts >= 0 && certifiable(host) {
			w = &strict{ResponseWriter: w, value: hsts}
		}
		next.ServeHTTP(w, r)
	})
}

// together tells whether a connection made for one host may carry requests for
// another.
func (c *Certificates) together(handshake, host string) bool {
	if handshake == "" || handshake == host || c.acme == nil {
		return true // without an authority there is one certificate for all
	}
	own := c.own()
	return own != nil && own.isFor(handshake) && own.isFor(host)
}

// strict adds the header when the answer's headers go out, so that it stands in
// place of the app's and not beside it: of two, browsers take the first.
type strict struct {
	http.ResponseWriter
	value string
	sent  bool
}

// WriteHeader sends the status and the headers.
func (s *strict) WriteHeader(status int) {
	s.add()
	s.ResponseWriter.WriteHeader(status)
}

// Write sends a part of the body.
func (s *strict) Write(p []byte) (int, error) {
	s.add()
	return s.ResponseWriter.Write(p)
}

// Flush sends what there is.
func (s *strict) Flush() {
	s.add()
	_ = http.NewResponseController(s.ResponseWriter).Flush() // it has no way to say so
}

// Unwrap is for http.ResponseController.
func (s *strict) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *strict) add() {
	if !s.sent {
		s.sent = true
		s.Header().Set("Strict-Transport-Security", s.value)
	}
}
