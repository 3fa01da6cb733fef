package configs

import (
	"crypto/x509"
	"net/url"
	"strings"

	"github.com/cocoom/cocoom-gateway/internal/secret"
)

// validator looks for what is wrong in a decoded configuration, and makes its
// paths relative to the files and its hosts comparable on the way.
type validator struct {
	cfg   *Config
	main  *document
	hosts map[string]spot   // the first route with each host
	own   *x509.Certificate // of tls.cert; nil: there is none

	bare bool // what secrets stand for is not there, nor are files
}

// config looks at everything but the routes.
func (v *validator) config() {
	if v.main.root == nil {
		return
	}
	c := v.cfg
	v.listeners()
	v.public()
	v.reservedPrefix()
	v.state()
	v.masterKey()
	v.tls()
	v.tracing()
	c.Slack.Validate(v.under("slack"))
	c.Session.Validate(v.under("session"))
	c.Limits.Validate(v.under("limits"))
}

// under gives what reports the mistakes of a section.
func (v *validator) under(section string) func(key, text string) {
	return func(key, text string) { v.main.mistake(join(section, key), text) }
}

func (v *validator) public() {
	if v.cfg.PublicScheme != "https" && v.cfg.PublicScheme != "http" {
		v.main.mistake("public_scheme", "is unknown: write https, or http where every host is localhost")
	}
	if v.cfg.PublicPort < 0 || v.cfg.PublicPort > 65535 {
		v.main.mistake("public_port", "is no port: write 1 to 65535, or 0 for the usual one")
	}
	if v.cfg.PublicScheme == "http" && v.cfg.TLS.On() {
		v.main.mistake("public_scheme", "is http although tls is on: write https, or remove tls")
	}
}

// reservedPrefix keeps the prefix to characters that no normalisation of a
// path changes.
func (v *validator) reservedPrefix() {
	prefix := v.cfg.ReservedPrefix
	segments := strings.Split(strings.TrimPrefix(prefix, "/"), "/")
	ok := strings.HasPrefix(prefix, "/") && len(prefix) <= 64
	for _, s := range segments {
		ok = ok && s != "" && strings.Trim(s, ".") != "" && !strings.ContainsFunc(s, isNotPrefixRune)
	}
	if !ok {
		v.main.mistake("reserved_prefix", "must be a path of letters, digits, . - and _ that does not end in a slash, such as /.gateway")
	}
}

func isNotPrefixRune(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '-' && r != '_'
}

func (v *validator) state() {
	state := v.cfg.State.Reveal()
	switch {
	case state == "":
		v.main.mistake("state", "is empty: name a directory, such as ./data, or write postgres://…")
	case !strings.Contains(state, "://"):
		v.cfg.State = secret.String(relativeTo(v.main.dir(), state))
	case !v.onPostgres():
		v.main.mistake("state", "is of a kind that is not known: name a directory, such as ./data, or write postgres://…")
	}
}

// masterKey demands a key where the store has no directory that one could be
// made in.
func (v *validator) masterKey() {
	const hint = "; make one with: openssl rand -base64 32"
	switch key := v.cfg.MasterKey.Reveal(); {
	case key != "":
		if _, err := secret.Key32(key); err != nil {
			v.main.mistake("master_key", err.Error()+hint)
		}
	case v.onPostgres():
		v.main.mistake("master_key", "is missing: with PostgreSQL every replica needs the same one"+hint)
	}
}

func (v *validator) onPostgres() bool {
	scheme, _, isURL := strings.Cut(v.cfg.State.Reveal(), "://")
	return isURL && (scheme == "postgres" || scheme == "postgresql")
}

func (v *validator) tracing() {
	t := v.cfg.Tracing
	if u, err := url.Parse(t.Endpoint); t.Endpoint != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "") {
		v.main.mistake("tracing.endpoint", "is no http(s) address: write the collector's, such as http://127.0.0.1:4318")
	}
	if !(t.Sample >= 0 && t.Sample <= 1) {
		v.main.mistake("tracing.sample", "is the share of requests that are traced: write 0 to 1, such as 0.01")
	}
}
