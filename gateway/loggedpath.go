package gateway

import (
	"net/url"
	"path"
	"strings"
)

// loggedPath is a request's escaped path as the log may have it: without the
// token that a hook's address ends with, /.gateway/services/ID/TOKEN or on the
// private listener /routes/HOST/services/ID/TOKEN. Whether such a request was
// well formed, or for a host that is served, does not matter: the token may be
// good all the same. An app's own /services/ stays as it is.
func (g *Gateway) loggedPath(escaped string) string {
	plain, err := url.PathUnescape(escaped)
	at := strings.Index(strings.ToLower(plain), "services")
	switch {
	case at < 0 && err == nil:
		return escaped
	case err != nil: // nothing is served there, nor is there much to learn from it
		return "/…"
	}
	segments := strings.Split(path.Clean(strings.ReplaceAll(plain, `\`, "/")), "/")[1:]
	for i, s := range segments {
		segments[i], _, _ = strings.Cut(s, ";")
	}
	n := len(strings.Split(g.cfg.Prefix, "/")) - 1
	if len(segments) <= n || !strings.EqualFold("/"+strings.Join(segments[:n], "/"), g.cfg.Prefix) {
		if n = 2; !strings.EqualFold(segments[0], "routes") {
			return escaped
		}
	}
	if len(segments) <= n+1 || !strings.EqualFold(segments[n], "services") {
		return escaped
	}
	shown := "/" + strings.Join(segments[:n+1], "/") + "/"
	if len(segments) > n+2 { // else what stands there may be the token itself
		shown += segments[n+1] + "/"
	}
	return (&url.URL{Path: shown}).EscapedPath() + "…"
}
