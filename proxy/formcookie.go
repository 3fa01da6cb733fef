package proxy

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// formCookie is a cookie that the app has set, with what its browser would keep.
type formCookie struct {
	name, value string // as the app wrote them
	path        string
	line        string // the whole Set-Cookie line
	secure      bool
	httpOnly    bool
	sameSite    bool // the line says something of it
	hasPath     bool
}

// maxLoginCookies bounds what one login may leave behind; browsers keep 50 or
// more of a site.
const maxLoginCookies = 50

// parseFormCookie reads a Set-Cookie line that came with the answer to page.
// gone says that it deletes the cookie. ok is false for what a browser would
// not keep, and for cookies of the gateway's names.
func parseFormCookie(line string, page *url.URL, now time.Time) (c formCookie, gone, ok bool) {
	first, attributes, _ := strings.Cut(line, ";")
	name, value, found := strings.Cut(first, "=")
	c = formCookie{name: strings.TrimSpace(name), value: strings.TrimSpace(value), line: line}
	// Old apps write values that Go's parser refuses, so it does not see them.
	parsed, err := http.ParseSetCookie(c.name + "=x;" + attributes)
	if !found || err != nil || OwnCookie(c.name) || strings.ContainsFunc(c.value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return c, false, false
	}
	host := page.Hostname()
	if domain := strings.ToLower(strings.TrimPrefix(parsed.Domain, ".")); domain != "" && domain != host && !strings.HasSuffix(host, "."+domain) {
		return c, false, false
	}
	if c.path = parsed.Path; !strings.HasPrefix(c.path, "/") {
		// RFC 6265 section 5.1.4; behind a ";" the browser would read attributes.
		c.path, _, _ = strings.Cut(page.EscapedPath(), ";")
		c.path = c.path[:max(strings.LastIndexByte(c.path, '/'), 0)]
		if c.path == "" {
			c.path = "/"
		}
	} else {
		c.hasPath = true
	}
	c.secure, c.httpOnly, c.sameSite = parsed.Secure, parsed.HttpOnly, parsed.SameSite != 0
	gone = parsed.MaxAge < 0 || parsed.MaxAge == 0 && !parsed.Expires.IsZero() && !parsed.Expires.After(now)
	return c, gone, true
}

// goesTo reports whether a browser sends c to a path (RFC 6265 section 5.1.4).
func (c *formCookie) goesTo(path string) bool {
	rest, ok := strings.CutPrefix(path, c.path)
	return ok && (rest == "" || rest[0] == '/' || strings.HasSuffix(c.path, "/"))
}

// setCookie is the line by which a browser gets c. What the app says of it
// stays; what it leaves open is set so that the cookie is found where the login
// has put it, and, if it holds the session, only there.
func (c *formCookie) setCookie(session, https bool) string {
	line := c.line
	if !c.hasPath {
		line += "; Path=" + c.path
	}
	if https && !c.secure {
		line += "; Secure"
	}
	if session && !c.httpOnly {
		line += "; HttpOnly"
	}
	if !c.sameSite {
		line += "; SameSite=Lax"
	}
	return line
}

// withCookies gives cookies as the Set-Cookie lines of an answer to page leave
// them: replaced, added or deleted. cookies itself stays as it is.
func withCookies(cookies []formCookie, lines []string, page *url.URL, now time.Time) []formCookie {
	if len(lines) > 0 {
		cookies = slices.Clone(cookies)
	}
	for _, line := range lines {
		c, gone, ok := parseFormCookie(line, page, now)
		if !ok {
			continue
		}
		cookies = slices.DeleteFunc(cookies, func(old formCookie) bool { return old.name == c.name && old.path == c.path })
		if !gone && len(cookies) < maxLoginCookies {
			cookies = append(cookies, c)
		}
	}
	return cookies
}

// sentTo picks the cookies that a browser sends to a path.
func sentTo(cookies []formCookie, path string) []formCookie {
	var out []formCookie
	for _, c := range cookies {
		if c.goesTo(path) {
			out = append(out, c)
		}
	}
	return out
}

// cookieIn gives the first cookie of that name in a request, and whether there
// is one that holds anything.
func cookieIn(h http.Header, name string) (string, bool) {
	for _, line := range h["Cookie"] {
		for pair := range strings.SplitSeq(line, ";") {
			if n, value, ok := strings.Cut(pair, "="); ok && strings.TrimSpace(n) == name {
				value = strings.TrimSpace(value)
				return value, value != ""
			}
		}
	}
	return "", false
}

// putCookies makes cookies those of a request, beside others that it has.
func putCookies(h http.Header, cookies []formCookie) {
	var pairs []string
	for _, line := range h["Cookie"] {
		for pair := range strings.SplitSeq(line, ";") {
			same := func(c formCookie) bool { return c.name == cookieName(pair) }
			if pair = strings.TrimSpace(pair); pair != "" && !slices.ContainsFunc(cookies, same) {
				pairs = append(pairs, pair)
			}
		}
	}
	for _, c := range cookies {
		pairs = append(pairs, c.name+"="+c.value)
	}
	if len(pairs) > 0 {
		h["Cookie"] = []string{strings.Join(pairs, "; ")}
	}
}
