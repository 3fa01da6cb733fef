package proxy

import (
	"net/http"
	"strings"
)

// signsConnectionIn reports whether a request's credential is good for the
// connection rather than for the request, which HTTP does not allow (RFC 9110
// section 11.1) but Microsoft's schemes do (RFC 4559 section 6): what comes behind
// it, without a credential, is by the same person to the app.
//
// Connections to the app are everybody's, so that such a request must be the last
// on its own. NTLM, which takes several requests on one, cannot succeed then;
// Kerberos, which takes one, does for each.
func signsConnectionIn(h http.Header) bool {
	for _, value := range h["Authorization"] {
		scheme, _, _ := strings.Cut(strings.TrimLeft(value, " \t"), " ")
		scheme, _, _ = strings.Cut(scheme, "\t")
		switch strings.ToLower(scheme) {
		case "ntlm", "negotiate", "nego2", "kerberos":
			return true
		}
	}
	return false
}
