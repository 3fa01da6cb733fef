package proxy

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/cocoom/cocoom-gateway/internal/secret"
)

const maxTimeout = 24 * time.Hour

// Validate reports every mistake: its key relative to the section, and a text
// that says what to write instead. It dials nothing.
func (u Upstream) Validate(report func(key, text string)) {
	target, mistake := parseUpstream(u.URL)
	if mistake != "" {
		report("url", mistake)
	}
	if u.Host != "" && !isAuthority(u.Host) {
		report("host", fmt.Sprintf("%q is no host; write one such as app.internal or app.internal:8080", u.Host))
	}
	if u.TLS != (UpstreamTLS{}) && target != nil && target.Scheme == "http" {
		report("tls", "stands beside an http:// URL, which has no TLS; write https:// or leave tls out")
	}
	if ca := u.TLS.CA.Reveal(); ca != "" && !strings.HasPrefix(ca, "file:") && !x509.NewCertPool().AppendCertsFromPEM([]byte(ca)) {
		report("tls.ca", "contains no certificate; write file:PATH of a PEM file, or the PEM itself")
	}
	if name := u.TLS.ServerName; name != "" && (!isAuthority(name) || strings.Contains(name, ":")) {
		report("tls.server_name", fmt.Sprintf("%q is no host name; write the name in the certificate", name))
	}
	if u.Timeout < 0 || u.Timeout > maxTimeout {
		report("timeout", fmt.Sprintf("is %s; write more than 0 and at most %s, or leave it out for %s", u.Timeout, maxTimeout, defaultTimeout))
	}
	if u.MaxBody < 0 {
		report("max_body", "is negative; write a size such as 64MiB, or leave it out for 1GiB")
	}
}

// parseUpstream returns the URL, or what is wrong with it. The text never
// repeats the URL, which may hold a password.
func parseUpstream(raw string) (*url.URL, string) {
	const example = "write scheme, host and port only, such as http://10.0.0.12:8000"
	if raw == "" {
		return nil, "is missing; " + example
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, "is no http:// or https:// URL; " + example
	case u.User != nil:
		return nil, "contains a user; " + example + ", and give the login under login.upstream.basic"
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, "contains more than an address, and paths are forwarded as they are; " + example
	case !isAuthority(u.Host):
		return nil, "has no valid host and port; " + example
	}
	return u, ""
}

// isAuthority reports whether s is a host, with or without a port.
func isAuthority(s string) bool {
	u, err := url.Parse("http://" + s)
	if err != nil || u.Host != s || u.Hostname() == "" || strings.HasSuffix(s, ":") {
		return false
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return false
		}
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"#%*,/<>?@\^{|}`+"`", r)
	})
}

// Validate reports every mistake: its key relative to the section, and a text
// that says what to write instead.
func (h Headers) Validate(report func(key, text string)) {
	taken := map[string]string{} // folded name → what has it
	for _, name := range []string{"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id"} {
		taken[name] = "the gateway itself"
	}
	essential := essentialHeaders()
	for _, n := range h.withDefaults().names() {
		folded := foldName(n.name)
		switch other, twice := taken[folded]; {
		case !httpguts.ValidHeaderFieldName(n.name) || len(n.name) > maxFolded:
			report(n.key, fmt.Sprintf("%q is no header name; write letters, digits and -, such as X-Remote-User", n.name))
		case slices.Contains(essential, folded):
			report(n.key, fmt.Sprintf("is %s, which HTTP or the app needs for itself; write a name of its own, such as X-Remote-User", n.name))
		case twice:
			report(n.key, fmt.Sprintf("is %s, which to an app is the same name as that of %s; write another", n.name, other))
		default:
			taken[folded] = n.key
		}
	}
	if c := h.Charset; c != "" && c != "utf-8" && c != "iso-8859-1" {
		report("charset", fmt.Sprintf("%q is unknown; write utf-8 or iso-8859-1", c))
	}
}

// essentialHeaders are names that can carry no identity, because stripping
// them from requests, or writing them, would break HTTP or the app.
func essentialHeaders() []string {
	return strings.Fields(`accept accept-charset accept-encoding accept-language authorization cache-control
		connection content-disposition content-encoding content-language content-length content-type cookie date
		expect host http2-settings if-match if-modified-since if-none-match if-range if-unmodified-since keep-alive
		origin pragma proxy-authorization proxy-connection range referer sec-websocket-accept
		sec-websocket-extensions sec-websocket-key sec-websocket-protocol sec-websocket-version te trailer
		transfer-encoding upgrade user-agent via`)
}

const (
	minTTL    = 30 * time.Second
	maxTTL    = time.Hour
	minSecret = 32 // bytes: RFC 7518 section 3.2 for HS256
)

// Validate reports every mistake: its key relative to the section, and a text
// that says what to write instead.
func (a Assertion) Validate(report func(key, text string)) {
	switch a.Alg {
	case "HS256":
		if len(a.Secret) < minSecret {
			report("secret", fmt.Sprintf("has fewer than %d bytes; write env:NAME or file:PATH of a longer one, such as openssl rand -base64 48 makes", minSecret))
		}
	case "", "ES256", "EdDSA", "RS256":
		if a.Secret != "" {
			report("secret", "is used by HS256 only; remove it, or write alg: HS256")
		}
	default:
		report("alg", fmt.Sprintf("%q is unknown; write ES256, EdDSA, RS256 or HS256", a.Alg))
	}
	if a.TTL != 0 && (a.TTL < minTTL || a.TTL > maxTTL) {
		report("ttl", fmt.Sprintf("is %s; write between %s and %s, or leave it out for %s", a.TTL, minTTL, maxTTL, defaultTTL))
	}
	if strings.ContainsFunc(a.Audience, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		report("audience", "contains a blank; write one word, or leave it out for the route's host")
	}
}

// Validate reports every mistake: its key relative to the section, and a text
// that says what to write instead.
func (l UpstreamLogin) Validate(report func(key, text string)) {
	if l.Form != nil {
		l.Form.validate(func(key, text string) { report(strings.TrimSuffix("form."+key, "."), text) })
	}
	if l.Basic == nil {
		return
	}
	switch l.Basic.User {
	case "", "email", "id":
	default:
		report("basic.user", fmt.Sprintf("%q is unknown; write email or id", l.Basic.User))
	}
	switch password, from := l.Basic.Password, l.Basic.DeriveFrom; {
	case password == "" && from == "":
		report("basic", "has no password; write password, the same for everybody, or derive_from, a secret that each person's is made of")
	case password != "" && from != "":
		report("basic", "has both password and derive_from; write one of them")
	case from != "" && len(from) < minSecret:
		report("basic.derive_from", fmt.Sprintf("has fewer than %d bytes; write env:NAME or file:PATH of a longer one", minSecret))
	case hasControl(password):
		report("basic.password", "contains a control character, such as the newline at a file's end; remove it")
	}
}

func hasControl(s secret.String) bool {
	return strings.ContainsFunc(s.Reveal(), func(r rune) bool { return r < ' ' || r == 0x7f })
}
