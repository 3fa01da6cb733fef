package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/cocoom/cocoom-gateway/policy"
)

// maxReturn bounds the return address, which travels within the OAuth state
// through addresses at Slack. A longer one loses its query.
const maxReturn = 3000

// Return addresses are a path and a query, nothing else: redirects put the
// route's own origin in front of them, so that "//evil.example" and
// "/\evil.example" stay on the host whatever a browser makes of them.

// returnPath is the address of a page as it was asked for; its query is kept
// byte for byte.
func returnPath(u *url.URL) string { return shorten(u.RequestURI()) }

// localPath checks an address that somebody handed us; anything but a path of
// this host becomes "/".
func localPath(s string, encodedSlash bool) string {
	if !strings.HasPrefix(s, "/") || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' }) {
		return "/"
	}
	path, query, found := strings.Cut(s, "?")
	path, err := policy.NormalizePath(path, encodedSlash)
	if err != nil || strings.Contains(path, "#") {
		return "/"
	}
	query, _, _ = strings.Cut(query, "#")
	if found {
		path += "?" + query
	}
	return shorten(path)
}

// refererPath is the page a form was on, so that a person can go back to it.
func refererPath(rt *Route, r *http.Request) string { return ownPath(rt, r.Referer()) }

// ownPath is the path and query of an address of this route; "/" for any other.
func ownPath(rt *Route, address string) string {
	if rest, ok := strings.CutPrefix(address, rt.Origin+"/"); ok {
		return localPath("/"+rest, rt.EncodedSlash)
	}
	return "/"
}

// shorten keeps a return address below maxReturn. Bytes of old encodings, which
// the JSON of a sign-in's state cannot hold, are escaped.
func shorten(target string) string {
	if !utf8.ValidString(target) {
		var escaped strings.Builder
		for i := range len(target) {
			if c := target[i]; c < utf8.RuneSelf {
				escaped.WriteByte(c)
			} else {
				fmt.Fprintf(&escaped, "%%%02X", c)
			}
		}
		target = escaped.String()
	}
	if len(target) <= maxReturn {
		return target
	}
	if path, _, _ := strings.Cut(target, "?"); len(path) <= maxReturn {
		return path
	}
	return "/"
}
