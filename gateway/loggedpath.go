package gateway

import (
	"net/url"
	"path"
	"slices"
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
	plain = strings.ReplaceAll(plain, `\`, "/")
	segments := strings.Split(path.Clean(plain), "/")[1:]
	for i, s := range segments {
		segments[i], _, _ = strings.Cut(s, ";")
	}
	n := g.hookAt(segments)
	switch {
	case n < 0 && slices.Contains(strings.Split(plain, "/"), ".."): // which may have led out of a hook's address
		return "/…"
	case n < 0:
		return escaped
	}
	shown := "/" + strings.Join(segments[:n+1], "/") + "/"
	if len(segments) > n+2 { // else what stands there may be the token itself
		shown += segments[n+1] + "/"
	}
	return (&url.URL{Path: shown}).EscapedPath() + "…"
}

// hookAt finds the segment services of a hook's address, or -1. The prefix may
// stand behind a host: CONNECT's target is taken for a path.
func (g *Gateway) hookAt(segments []string) int {
	prefix := strings.Split(g.cfg.Prefix, "/")[1:]
	for n, s := range segments[:max(len(segments)-1, 0)] {
		if !strings.EqualFold(s, "services") {
			continue
		}
		if n >= len(prefix) && slices.EqualFunc(segments[n-len(prefix):n], prefix, strings.EqualFold) || n == 2 && strings.EqualFold(segments[0], "routes") {
			return n
		}
	}
	return -1
}
