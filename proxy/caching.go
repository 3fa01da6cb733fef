package proxy

import (
	"net/http"
	"strings"
)

// forWhom keeps an answer that not everybody may have out of the caches that
// people share: in front of the gateway they would hand it to whoever asks for
// the same address. An app that did not know of a login lets them ("public",
// "max-age" or Expires alone). The browser's own cache keeps what it may.
func (x *exchange) forWhom(h http.Header) {
	said := h["Cache-Control"]
	if x.in.Public {
		if x.in.Who != nil && said == nil && h["Expires"] == nil && h["Pragma"] == nil {
			h["Cache-Control"] = []string{"private"}
		}
		return
	}
	if said == nil && h.Get("Pragma") == "no-cache" { // which browsers heed only where there is no Cache-Control
		said = h["Pragma"]
	}
	h["Cache-Control"] = []string{privately(said)}
	delete(h, "Cdn-Cache-Control") // RFC 9213: for shared caches alone, and before Cache-Control
	delete(h, "Surrogate-Control")
}

// privately gives a Cache-Control that no shared cache keeps an answer by (RFC
// 9111 section 5.2.2), and that says the same as before to the browser.
func privately(said []string) string {
	kept := []string{"private"}
	for d := range strings.SplitSeq(strings.Join(said, ","), ",") {
		d = strings.TrimSpace(d)
		name, _, _ := strings.Cut(d, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "", "public", "private", "s-maxage", "proxy-revalidate": // private="Set-Cookie" is about that header alone
		default:
			kept = append(kept, d)
		}
	}
	return strings.Join(kept, ", ")
}

// keepFromCaches lets no cache keep an answer that brings cookies of one person:
// the app, which knows nothing of them, may have meant it for everybody.
func keepFromCaches(h http.Header) {
	h["Cache-Control"] = []string{"private, no-store"}
	for _, name := range [...]string{"Cdn-Cache-Control", "Surrogate-Control", "Expires", "Pragma"} {
		delete(h, name)
	}
}
