package gateway

import (
	"net/http"
	"strings"
)

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
