package gateway

import (
	"net/http"
	"net/netip"
	"strings"
)

// trust lists the peers whose X-Forwarded-For is believed. Empty: nobody.
// X-Forwarded-Proto and -Host are believed from nobody: the public scheme and
// the route's host are configured.
type trust []netip.Prefix

func (t trust) includes(a netip.Addr) bool {
	for _, p := range t {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Trusts tells whether a peer is a trusted proxy, as is configured now.
func (g *Gateway) Trusts(peer netip.Addr) bool { return g.conf.Load().peers.includes(peer) }

// peer finds out whom a request comes from: the socket's peer or, as far as
// each hop to our right is a trusted proxy, whom that one names. What it names
// and we cannot read is no address at all, so that no rule for networks, least
// of all the proxy's own, takes a stranger in. What stands left of it is the
// client's own claim, which apps would believe, since they take the first of the
// list: it goes no further.
func (x *exchange) peer(t trust, r *http.Request) {
	host := r.RemoteAddr
	if x.client = socketPeer(r); x.client.IsValid() {
		host = x.client.WithZone("").String()
	}
	x.forwardedFor = host
	if !t.includes(x.client) {
		return
	}
	chain := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	if chain == "" {
		return
	}
	whole, from := chain, 0
	for t.includes(x.client) && chain != "" {
		from = strings.LastIndexByte(chain, ',') + 1
		x.client, chain = hop(strings.TrimSpace(chain[from:])), chain[:max(from-1, 0)]
	}
	known := strings.TrimSpace(whole[from:])
	if !x.client.IsValid() {
		_, proxies, _ := strings.Cut(known+",", ",")
		known = strings.TrimSuffix("unknown,"+proxies, ",") // as RFC 7239 section 6.2 calls it
	}
	x.forwardedFor = known + ", " + host
}

// socketPeer is the address at the other end of the connection; the zero Addr
// if there is none.
func socketPeer(r *http.Request) netip.Addr {
	ap, _ := netip.ParseAddrPort(r.RemoteAddr)
	return ap.Addr().Unmap()
}

// hop reads one address of X-Forwarded-For; some proxies add the port. One with a
// zone means nothing on another machine, and Unmap would leave the zone out.
func hop(s string) netip.Addr {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		ap, _ := netip.ParseAddrPort(s)
		addr = ap.Addr()
	}
	if addr.Zone() != "" {
		return netip.Addr{} // in no network
	}
	return addr.Unmap()
}
