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
	names map[string]struct{}
}

// newReserved reserves the route's own names, besides the defaults and all
// that make an old framework see another request or person than policy saw.
func newReserved(h Headers) reserved {
	r := reserved{names: map[string]struct{}{}}
	for _, set := range []Headers{h, Headers{}.withDefaults()} {
		for _, n := range set.names() {
			r.names[foldName(n.name)] = struct{}{}
		}
	}
	for _, name := range strings.Fields(`
		forwarded x-forwarded x-request-id
		x-real-ip x-client-ip client-ip x-cluster-client-ip true-client-ip cf-connecting-ip fastly-client-ip
		x-originating-ip x-remote-ip x-remote-addr remote-addr
		x-remote-user remote-user remote-email remote-name remote-groups x-authenticated-user x-webauth-user auth-user
		x-http-method-override x-http-method x-method-override
		x-host x-http-host-override
		x-url-scheme x-scheme x-arr-ssl front-end-https
		proxy http2-settings`) {
		r.names[name] = struct{}{}
	}
	return r
}

// has reports whether name, in any spelling an app could take for it, is reserved.
func (r reserved) has(name string) bool {
	var buf [maxFolded]byte
	folded := appendFolded(buf[:0], name)
	// Families are reserved whole: a list of what is known today would miss
	// the member that a framework comes to trust tomorrow.
	for _, family := range [...]string{"x-forwarded-", "x-gateway-", "x-original-", "x-rewrite-", "x-auth-request-"} {
		if len(folded) >= len(family) && string(folded[:len(family)]) == family {
			return true
		}
	}
	if len(name) > maxFolded {
		return false
	}
	_, ok := r.names[string(folded)]
	return ok
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
