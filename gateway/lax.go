package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const maxTrustedOrigins = 32

// usesSession reports whether a request for the app may use the session that it
// brings. SameSite=Lax keeps the cookie from the pages of other sites, but for
// the links that people follow. Sister subdomains, which are other customers, are
// no other site to a browser (https://www.rfc-editor.org/rfc/rfc6265,
// 6265bis section 5.2); what Lax says of sites therefore holds here of origins:
// their frames, forms and scripts' requests are those of nobody.
//
// Of what Lax lets through, links that change something, an app must beware as it
// had to without a gateway. So it must of frames, if it has a service worker that
// passes pages' requests on: such a frame looks like a link.
func (rt *Route) usesSession(r *http.Request) bool {
	return rt.sameOrigin(r) || classOf(r) == navigation || slices.Contains(rt.Login.TrustedOrigins, originOf(r))
}

// originOf is the origin of the page that makes a request, as far as the browser
// says; forms and what scripts send name it, frames and images only in Referer.
func originOf(r *http.Request) string {
	if origin := r.Header.Get("Origin"); origin != "" {
		return origin
	}
	u, err := url.Parse(r.Header.Get("Referer"))
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// validateOrigins reports every one that is not written as browsers write it.
func validateOrigins(origins []string, report func(key, text string)) {
	if len(origins) > maxTrustedOrigins {
		report("", fmt.Sprintf("names more than %d origins", maxTrustedOrigins))
	}
	for i, origin := range origins {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || origin != u.Scheme+"://"+u.Host || origin != strings.ToLower(origin) ||
			u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80" || strings.HasSuffix(u.Host, ":") || strings.Contains(u.Host, "*") {
			report(fmt.Sprintf("[%d]", i), fmt.Sprintf("%.100q is no origin as browsers write it; write one such as https://intranet.cocoom.com", origin))
		}
	}
}
