package proxy

import (
	"net/http"
	"strings"
)

// OwnCookie reports whether a cookie of this name is the gateway's: "gw" or
// "gw-…", with or without the prefix "__Host-" or "__Secure-". Such cookies
// never reach an app, and an app cannot set them.
func OwnCookie(name string) bool {
	for _, prefix := range [...]string{"__Host-", "__Secure-"} {
		// Browsers compare the prefixes without regard to case.
		if len(name) > len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			name = name[len(prefix):]
			break
		}
	}
	return name == "gw" || strings.HasPrefix(name, "gw-")
}

// stripOwnCookies removes the gateway's cookies from a request, and leaves
// every other byte as it is: old apps have cookies that no parser takes.
func stripOwnCookies(h http.Header) {
	lines := h["Cookie"]
	kept := lines[:0]
	for _, line := range lines {
		if line, left := withoutOwnCookies(line); left {
			kept = append(kept, line)
		}
	}
	if len(kept) == 0 {
		delete(h, "Cookie")
		return
	}
	h["Cookie"] = kept
}

// withoutOwnCookies reports false when nothing is left of the line.
func withoutOwnCookies(line string) (rest string, left bool) {
	if !strings.Contains(line, "gw") {
		return line, true
	}
	var kept []string
	removed := false
	for pair := range strings.SplitSeq(line, ";") {
		if OwnCookie(cookieName(pair)) {
			removed = true
			continue
		}
		kept = append(kept, pair)
	}
	if !removed {
		return line, true
	}
	rest = strings.TrimLeft(strings.Join(kept, ";"), " \t")
	return rest, rest != ""
}

// cookieName returns the name in "name=value". A cookie without a name is sent
// back as its bare value, so of "=gw=x" and of "gw" the name is "gw".
func cookieName(pair string) string {
	name, _, _ := strings.Cut(strings.TrimLeft(pair, " \t="), "=")
	return strings.TrimSpace(name)
}

// dropOwnCookies removes from an answer the cookies that only the gateway may set.
func dropOwnCookies(h http.Header) {
	lines := h["Set-Cookie"]
	kept := lines[:0]
	for _, line := range lines {
		pair, _, _ := strings.Cut(line, ";")
		if !OwnCookie(cookieName(pair)) {
			kept = append(kept, line)
		}
	}
	switch {
	case len(kept) == 0:
		delete(h, "Set-Cookie")
	case len(kept) < len(lines):
		h["Set-Cookie"] = kept
	}
}
