package proxy

import (
	"net/http"
	"strings"
)

// maxFolded bounds the header names that fold; longer ones can be none of the
// reserved names, only begin like one.
const maxFolded = 64

// reserved are the header names that only the gateway may write, folded, for
// one route.
type reserved struct {
	// names are those of the gateway in any spelling, if true, else those of HTTP
	// itself in any spelling but their own.
	names map[string]bool
}

// families are reserved whole: a list of what is known today would miss the
// member that a framework comes to trust tomorrow.
var families = [...]string{
	"x-forwarded-", "x-gateway-", "x-original-", "x-rewrite-",
	"x-sendfile-", "x-accel-", // tell Rack and others which file to hand out (CVE-2025-61780)
	// Other gateways' identities: an app that has stood behind one believes them.
	"remote-", "x-remote-", "x-auth-request-", "x-authenticated-", "x-webauth-", "x-authentik-", "x-pomerium-", "x-vouch-",
	"x-goog-authenticated-", "x-goog-iap-", "x-ms-client-principal", "x-ms-token-", "x-amzn-oidc-", "cf-access-", "tailscale-user-",
	"shib-", "oidc-claim-", "mellon-",
	// What CGI has of its own, and Apache keeps across an internal redirect.
	"redirect-", "php-auth-", "ssl-", "x-ssl-", "x-client-cert", "x-arr-",
}

// newReserved reserves the route's own names, besides the defaults and all
// that make an old framework see another request or person than policy saw.
func newReserved(h Headers) reserved {
	r := reserved{names: map[string]bool{}}
	for _, name := range essentialHeaders() {
		r.names[name] = false
	}
	for _, set := range []Headers{h, Headers{}.withDefaults()} {
		for _, n := range set.names() {
			r.names[foldName(n.name)] = true
		}
	}
	for _, name := range strings.Fields(`
		forwarded forwarded-for forwarded-for-ip forwarded-host forwarded-proto x-forwarded x-request-id x-notify
		x-real-ip x-client-ip client-ip x-cluster-client-ip true-client-ip x-true-client-ip x-real-client-ip x-proxyuser-ip
		proxy-client-ip wl-proxy-client-ip wl-proxy-ssl cf-connecting-ip cf-connecting-ipv6 cf-pseudo-ipv4 fastly-client-ip fly-client-ip
		do-connecting-ip incap-client-ip x-sucuri-clientip x-azure-clientip x-azure-socketip x-appengine-user-ip
		x-envoy-external-address x-coming-from coming-from x-originating-ip x-cluster-ip
		auth-user auth-type sm-user smuser iv-user iv-groups iv-creds x-client-dn x-client-verify
		x-http-method-override x-http-method x-method-override x-http-path-override
		x-host x-http-host-override
		https x-https x-url-scheme x-scheme front-end-https cloudfront-forwarded-proto cf-visitor
		proxy http2-settings`) {
		r.names[name] = true
	}
	return r
}

// has reports whether name, in any spelling an app could take for it, is reserved.
func (r reserved) has(name string) bool {
	var buf [maxFolded]byte
	folded := appendFolded(buf[:0], name)
	for _, family := range families {
		if begins(folded, family) {
			return true
		}
	}
	if len(name) > maxFolded {
		return false
	}
	switch ours, ok := r.names[string(folded)]; {
	case ours:
		return true
	case ok || begins(folded, "sec-"):
		// To PHP, Content_Length is CONTENT_LENGTH; and Sec_Fetch_Site is one
		// that a page's script may write, unlike Sec-Fetch-Site.
		return !isPlain(name)
	}
	return false
}

func begins(folded []byte, family string) bool {
	return len(folded) >= len(family) && string(folded[:len(family)]) == family
}

// isPlain reports whether a name has letters, digits and "-" only.
func isPlain(name string) bool {
	for i := range len(name) {
		c := name[i] | 0x20
		if (c < 'a' || 'z' < c) && (name[i] < '0' || '9' < name[i]) && name[i] != '-' {
			return false
		}
	}
	return true
}

// strip deletes every reserved header.
func (r reserved) strip(h http.Header) {
	for name := range h {
		if r.has(name) {
			delete(h, name)
		}
	}
}

func foldName(name string) string {
	return string(appendFolded(nil, name))
}

// appendFolded writes the first maxFolded bytes of name as CGI sees it: without
// case, and with everything but letters and digits made one character. PHP
// turns "-" and "." into "_", and Apache 2.2 turned all other characters so.
func appendFolded(out []byte, name string) []byte {
	for i := range min(len(name), maxFolded) {
		c := name[i]
		switch {
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		default:
			c = '-'
		}
		out = append(out, c)
	}
	return out
}
