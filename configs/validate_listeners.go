package configs

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// minAdminToken is what an admin_token has at least, in characters.
const minAdminToken = 16

func (v *validator) listeners() {
	listen, listenOK := v.listener("listen", v.cfg.Listen, ":8080")
	admin, adminOK := v.adminListener()
	if adminOK {
		v.adminToken(admin)
	}
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

// loopback tells whether programs of this machine alone reach the listener.
func (l listener) loopback() bool {
	addr, err := netip.ParseAddr(l.host)
	return l.host == "localhost" || err == nil && addr.IsLoopback()
}

func (v *validator) listener(key, address, example string) (listener, bool) {
	l, err := listenerOf(address)
	if err != nil {
		v.main.mistake(key, "is no address to listen on: write a port after a colon, with or without an IP address before it, such as "+example)
		return listener{}, false
	}
	return l, true
}

// listenerOf reads an address to listen on.
func listenerOf(address string) (listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return listener{}, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return listener{}, err
	}
	if _, err := netip.ParseAddr(host); host != "" && err != nil && hostMistake(host) != "" {
		return listener{}, err
	}
	return listener{host, number}, nil
}

// adminToken demands one where others than this machine reach the operators'
// listener.
func (v *validator) adminToken(admin listener) {
	switch token := v.cfg.AdminToken.Reveal(); {
	case token != "" && (len(token) < minAdminToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })):
		v.main.mistake("admin_token", fmt.Sprintf("must be at least %d printable ASCII characters without spaces; make one with: openssl rand -hex 24", minAdminToken))
	case token == "" && !v.main.follows("admin_token") && !admin.loopback():
		v.main.mistake("admin", "is not on loopback, so that others reach it: add admin_token, or write 127.0.0.1:9090")
	}
}
