package configs

import (
	"crypto/tls"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/cocoom/cocoom-gateway/internal/secret"
)

// validator looks for what is wrong in a decoded configuration, and makes its
// paths relative to the files and its hosts comparable on the way.
type validator struct {
	cfg   *Config
	main  *document
	hosts map[string]spot // the first route with each host
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
	c.Slack.Validate(v.under("slack"))
	c.Session.Validate(v.under("session"))
}

// under gives what reports the mistakes of a section.
func (v *validator) under(section string) func(key, text string) {
	return func(key, text string) { v.main.mistake(join(section, key), text) }
}

func (v *validator) listeners() {
	listen, listenOK := v.listener("listen", v.cfg.Listen, ":8080")
	admin, adminOK := v.adminListener()
	if listenOK && adminOK && listen.meets(admin) {
		v.main.mistake("admin", "is the address of listen too: give it a port of its own, such as 127.0.0.1:9090")
	}
	if v.cfg.Private == "" {
		return
	}
	const example = "10.0.0.5:9091"
	private, ok := v.listener("private", v.cfg.Private, example)
	switch {
	case ok && listenOK && private.meets(listen):
		v.main.mistake("private", "is the address of listen too, which browsers reach: give it a port of its own, such as "+example)
	case ok && adminOK && private.meets(admin):
		v.main.mistake("private", "is the address of admin too: give it a port of its own, such as "+example)
	}
}

func (v *validator) adminListener() (listener, bool) {
	return v.listener("admin", v.cfg.Admin, "127.0.0.1:9090")
}

type listener struct {
	host string
	port uint64
}

// meets tells whether the two cannot be open at once.
func (l listener) meets(m listener) bool {
	return l.port != 0 && l.port == m.port && (l.host == m.host || l.all() || m.all())
}

// all tells whether the listener takes every address of the machine.
func (l listener) all() bool {
	addr, err := netip.ParseAddr(l.host)
	return l.host == "" || err == nil && addr.IsUnspecified()
}

func (v *validator) listener(key, address, example string) (listener, bool) {
	host, port, err := net.SplitHostPort(address)
	number, portErr := strconv.ParseUint(port, 10, 16)
	if _, addrErr := netip.ParseAddr(host); err != nil || portErr != nil || host != "" && addrErr != nil && hostMistake(host) != "" {
		v.main.mistake(key, "is no address to listen on: write a port after a colon, with or without an IP address before it, such as "+example)
		return listener{}, false
	}
	return listener{host, number}, true
}

func (v *validator) public() {
	if v.cfg.PublicScheme != "https" && v.cfg.PublicScheme != "http" {
		v.main.mistake("public_scheme", "is unknown: write https, or http where every host is localhost")
	}
	if v.cfg.PublicPort < 0 || v.cfg.PublicPort > 65535 {
		v.main.mistake("public_port", "is no port: write 1 to 65535, or 0 for the usual one")
	}
	if v.cfg.PublicScheme == "http" && v.cfg.TLS != (TLS{}) {
		v.main.mistake("public_scheme", "is http although tls names a certificate: write https, or remove tls")
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

// tls looks at the files, and whether they belong together.
func (v *validator) tls() {
	t := &v.cfg.TLS
	if *t == (TLS{}) {
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
