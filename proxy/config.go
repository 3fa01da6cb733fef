package proxy

import (
	"cmp"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/secret"
)

// Upstream says where a route's app is and how to talk to it. In YAML it may
// be just the URL.
type Upstream struct {
	// URL is the app's address: http:// or https://, a host, and optionally a
	// port; no path.
	URL string `yaml:"url"`
	// Host replaces the Host header the app sees; empty: the public one, by which
	// the app knows its customer.
	Host string `yaml:"host"`
	// TLS applies to https upstreams.
	TLS UpstreamTLS `yaml:"tls"`
	// Timeout bounds the wait for the first byte of the answer; 0 means 60 s.
	// Streams that have begun are not cut.
	Timeout time.Duration `yaml:"timeout"`
	// MaxBody bounds a request's body; 0 means 1 GiB.
	MaxBody Size `yaml:"max_body"`
}

// The defaults of Upstream.
const (
	defaultTimeout = time.Minute
	defaultMaxBody = 1 << 30
)

// UpstreamTLS says whom an https upstream must be signed by and called.
type UpstreamTLS struct {
	CA         secret.String `yaml:"ca"`          // the authorities in PEM, mostly as file:PATH; empty: the system's
	ServerName string        `yaml:"server_name"` // the name in the certificate; empty: the URL's host
}

// Headers names the headers that carry the identity to the app. An empty name
// takes the default.
type Headers struct {
	User      string `yaml:"user"`      // holds the Slack user id; empty: X-Forwarded-User
	Email     string `yaml:"email"`     // holds the verified e-mail address; empty: X-Forwarded-Email
	Name      string `yaml:"name"`      // holds the display name; empty: X-Forwarded-Preferred-Username
	Groups    string `yaml:"groups"`    // holds usergroups, with commas; empty: X-Forwarded-Groups
	Team      string `yaml:"team"`      // holds the workspace's id; empty: X-Gateway-Team
	Assertion string `yaml:"assertion"` // holds all of it, signed; empty: X-Gateway-Assertion
	// Charset is how values outside ASCII are written: "utf-8" (default) or
	// "iso-8859-1" for apps of that age.
	Charset string `yaml:"charset"`
}

// withDefaults fills in the names that are empty.
func (h Headers) withDefaults() Headers {
	h.User = cmp.Or(h.User, "X-Forwarded-User")
	h.Email = cmp.Or(h.Email, "X-Forwarded-Email")
	h.Name = cmp.Or(h.Name, "X-Forwarded-Preferred-Username")
	h.Groups = cmp.Or(h.Groups, "X-Forwarded-Groups")
	h.Team = cmp.Or(h.Team, "X-Gateway-Team")
	h.Assertion = cmp.Or(h.Assertion, "X-Gateway-Assertion")
	h.Charset = cmp.Or(h.Charset, "utf-8")
	return h
}

// names lists the six header names with their keys, in a fixed order.
func (h Headers) names() []headerName {
	return []headerName{
		{"user", h.User}, {"email", h.Email}, {"name", h.Name},
		{"groups", h.Groups}, {"team", h.Team}, {"assertion", h.Assertion},
	}
}

type headerName struct{ key, name string }

// Assertion says how the signed identity JWT of a route is made.
type Assertion struct {
	Alg      string        `yaml:"alg"`      // how it is signed: "ES256" (default), "EdDSA", "RS256" or "HS256"
	TTL      time.Duration `yaml:"ttl"`      // how long it is good; 0 means 5 minutes
	Audience string        `yaml:"audience"` // whom it is for; empty: the route's host
	Secret   secret.String `yaml:"secret"`   // for HS256 only: at least 32 bytes
}

// defaultTTL outlasts a long upload, behind which PHP starts only when the
// whole body has come.
const defaultTTL = 5 * time.Minute

// withDefaults fills in what is empty; host is the route's.
func (a Assertion) withDefaults(host string) Assertion {
	a.Alg = cmp.Or(a.Alg, "ES256")
	a.TTL = cmp.Or(a.TTL, defaultTTL)
	a.Audience = cmp.Or(a.Audience, host)
	return a
}

// UpstreamLogin says how the app is told who is signed in, besides the
// identity headers and the assertion, which always go. In YAML it is the word
// "headers" or a map.
type UpstreamLogin struct {
	Basic *Basic `yaml:"basic"`
	Form  *Form  `yaml:"form"`
}

// Basic sends "Authorization: Basic" (PHP_AUTH_USER and PHP_AUTH_PW).
// Exactly one of Password and DeriveFrom is set.
type Basic struct {
	User       string        `yaml:"user"`        // what is sent as the name: "email" (default) or "id"
	Password   secret.String `yaml:"password"`    // the same for everybody
	DeriveFrom secret.String `yaml:"derive_from"` // a route secret; each person's password is derived from it
}
