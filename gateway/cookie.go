package gateway

import (
	"net/http"
	"strings"
	"time"
)

// cookieName is the session cookie's. The __Host- prefix keeps it to this host
// alone (https://www.rfc-editor.org/rfc/rfc6265, 6265bis section 4.1.3.2), so
// that no sister subdomain can plant one; browsers accept it over https only.
func cookieName(rt *Route) string {
	if rt.secure() {
		return "__Host-gw"
	}
	return "gw"
}

// setCookie sets a cookie of ours: for this host only, out of scripts' reach,
// and with SameSite=Lax, since Slack's redirect back must bring it along.
// A life of 0 or less deletes it.
func setCookie(w http.ResponseWriter, rt *Route, name, value string, life time.Duration) {
	// #nosec G124 -- Secure wherever the route is served by https
	c := &http.Cookie{
		Name: name, Value: value, Path: "/", Secure: rt.secure(), HttpOnly: true, SameSite: http.SameSiteLaxMode,
		MaxAge: int(life.Seconds()),
	}
	if life <= 0 {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// cookieValue gives the first cookie of that name, or "". It reads the header
// where it stands: http.Request.Cookie parses, and allocates for, all of them.
func cookieValue(r *http.Request, name string) string {
	for _, line := range r.Header["Cookie"] {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			pair = strings.TrimLeft(pair, " \t")
			if len(pair) > len(name) && pair[len(name)] == '=' && pair[:len(name)] == name {
				return strings.TrimRight(pair[len(name)+1:], " \t")
			}
		}
	}
	return ""
}

// cookieNames gives the names that begin with prefix.
func cookieNames(r *http.Request, prefix string) []string {
	var names []string
	for _, c := range r.Cookies() {
		if strings.HasPrefix(c.Name, prefix) {
			names = append(names, c.Name)
		}
	}
	return names
}
