package admin

import (
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// forNobodyElse gives every answer what keeps browsers from keeping it, framing it,
// taking it for something else, or handing it to a page of another origin. Nothing
// on it runs or loads; the pages say what theirs may.
func forNobodyElse(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("Content-Security-Policy", "default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY") // browsers that know frame-ancestors pass over it
		// Not no-referrer: with it browsers send "Origin: null" with our own forms.
		header.Set("Referrer-Policy", "same-origin")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.ServeHTTP(w, r)
	})
}

// programs keeps the pages that an operator has open in a browser away from h:
// any of them may address loopback. Browsers say where a request comes from; one
// that says nothing, as of a page that has its own name resolve to this machine
// (DNS rebinding), asks under that name; and a form cannot send JSON. Where there
// is a token, no page knows it, and the listener may have a name.
func (k *keeper) programs(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "":
			answer(w, http.StatusForbidden, Failure{"this is for programs, not for browsers: their pages are at " + pagesPath})
		case !k.mayBeNamed(r):
			answer(w, http.StatusForbidden, Failure{badName(r)})
		case !k.letsProgram(w, r):
		case r.Method == http.MethodPost && !isJSON(r):
			answer(w, http.StatusUnsupportedMediaType, Failure{"the body must be application/json"})
		default:
			h.ServeHTTP(w, r)
		}
	})
}

// readers lets in, for what changes nothing and is watched, whom programs does,
// and a person who types the address into a browser.
func (k *keeper) readers(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		site := r.Header.Get("Sec-Fetch-Site")
		switch {
		case r.Header.Get("Origin") != "" || site != "" && site != "none" && site != "same-origin":
			answer(w, http.StatusForbidden, Failure{"this is not for the pages of others"})
		case !k.mayBeNamed(r):
			answer(w, http.StatusForbidden, Failure{badName(r)})
		case !k.letsProgram(w, r):
		default:
			h.ServeHTTP(w, r)
		}
	})
}

// mayBeNamed reports whether the name that the listener is asked by cannot be
// that of somebody else's page: no page can be called by an IP address or
// localhost, and where there is a token, browsers keep what stands for it to the
// name that it was given under.
func (k *keeper) mayBeNamed(r *http.Request) bool { return k.asks() || plainHost(r.Host) }

func badName(r *http.Request) string {
	return fmt.Sprintf("ask by an IP address or localhost, not by the name %.100q; by names, a listener with an admin_token is asked", r.Host)
}

// plainHost reports whether a Host header is localhost or an IP address.
func plainHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	} else if inner, ok := strings.CutPrefix(host, "["); ok {
		host = strings.TrimSuffix(inner, "]")
	}
	_, err := netip.ParseAddr(host)
	return err == nil || host == "localhost"
}

func isJSON(r *http.Request) bool {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && media == "application/json"
}

// fromThisMachine lets through what a program on this machine asks: over the
// loopback or from the very address that it asks, without a proxy between. It
// keeps out whoever else reaches the listener, such as a monitoring network.
func fromThisMachine(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !local(r) {
			answer(w, http.StatusForbidden, Failure{"this is asked for on the gateway's own machine only"})
			return
		}
		h.ServeHTTP(w, r)
	})
}

func local(r *http.Request) bool {
	for _, name := range [...]string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	from := peer.Addr().Unmap()
	if from.IsLoopback() {
		return true
	}
	here, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && here.AddrPort().Addr().Unmap().WithZone("") == from.WithZone("")
}
