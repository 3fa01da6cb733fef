package proxy

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/cocoom/cocoom-gateway/policy"
)

// AppCookies names the app's own session cookies. They are bound to people:
// what the app sets in an answer to one person, or to nobody, reaches it again
// in requests of that person, or of nobody, only. So nobody goes on in the app
// session that the last user of a browser left behind, or that somebody planted
// or stole; and who signs in again finds their own, with the forms they had open.
// Nobody's stand in the browser under another name, or the app's public pages
// would overwrite those of whose session with the gateway is over.
type AppCookies []string

const maxAppCookies = 16

// Validate reports every mistake: its key relative to the list, and a text that
// says what to write instead.
func (names AppCookies) Validate(report func(key, text string)) {
	if len(names) > maxAppCookies {
		report("", fmt.Sprintf("names more than %d cookies; write only those that hold the app's session", maxAppCookies))
	}
	folded := map[string]string{}
	for i, name := range names {
		key, fold := fmt.Sprintf("[%d]", i), foldCookieName(name)
		switch other, twice := folded[fold]; {
		case !httpguts.ValidHeaderFieldName(name) || len(name) > maxFolded || fold == "": // a token, as RFC 6265 wants it
			report(key, fmt.Sprintf("%q is no cookie's name; write one such as PHPSESSID", name))
		case OwnCookie(name):
			report(key, fmt.Sprintf("%s is a cookie of the gateway's own; remove it", name))
		case twice:
			report(key, fmt.Sprintf("is to an app the same name as %s; remove it", other))
		default:
			folded[fold] = name
		}
	}
}

// InBrowser gives the names under which a browser may hold them.
func (names AppCookies) InBrowser() []string {
	var out []string
	for _, name := range names {
		out = append(out, name, name+nobodys)
	}
	return out
}

// appCookies binds and verifies the listed cookies of one route. The value in
// the browser is the app's, a dot and the tag. Nothing is kept on our side.
type appCookies struct {
	host   string
	folded []string
	keys   *CookieKeys
	now    func() time.Time
}

func newAppCookies(cfg Config) *appCookies {
	if len(cfg.AppCookies) == 0 {
		return nil
	}
	a := &appCookies{host: cfg.Host, keys: cfg.CookieKeys, now: cfg.Now}
	for _, name := range cfg.AppCookies {
		a.folded = append(a.folded, foldCookieName(name))
	}
	if a.now == nil {
		a.now = time.Now
	}
	return a
}

// nobodys ends the name of a cookie that was set for nobody. It is a token's
// character (RFC 6265 section 4.1.1), and no app's name ends so.
const nobodys = "~nobody"

// tagged is how much longer a bound value is. Browsers refuse cookies of more
// than 4096 bytes; session ids are far from it.
const tagged = 1 + tagSize

// cookieOf is what a tag of a cookie of who, nil for nobody, is made over.
func (a *appCookies) cookieOf(who *policy.Identity, name, value string) boundCookie {
	c := boundCookie{host: a.host, name: name, value: value}
	if who != nil {
		c.team, c.user = who.Team, who.User
	}
	return c
}

// bind tags the listed cookies that an answer to who sets. Those that delete a
// cookie are tagged too, which does not keep them from it. Without a key that
// is active a cookie stays as it is, and will not be let in again.
func (a *appCookies) bind(h http.Header, who *policy.Identity) {
	lines := h["Set-Cookie"]
	for i, line := range lines {
		pair, _, _ := strings.Cut(line, ";")
		name, value, ok := strings.Cut(pair, "=")
		name, value = strings.Trim(name, " \t"), strings.Trim(value, " \t")
		if !ok || name == "" || !a.lists(name) {
			continue
		}
		// Quotes are left outermost, for clients that take them off.
		bare, quotes := unquoted(value)
		out := append(make([]byte, 0, len(line)+tagged+len(nobodys)), name...)
		if who == nil {
			out = append(out, nobodys...)
		}
		out = append(append(out, '='), value[:quotes]...)
		out = append(append(out, bare...), '.')
		out, ok = a.keys.tag(out, a.cookieOf(who, name, bare), a.now())
		if ok {
			out = append(append(out, value[len(value)-quotes:]...), line[len(pair):]...)
			lines[i] = string(out)
		}
	}
}

// restore gives the app the listed cookies that were set for who, with the
// values that it gave them, and removes the others: those of other people, those
// that scripts or sister subdomains have set, and those from before the cookie
// was listed. Of several with one name, those that verify are left in their
// order. All other bytes stay as they are.
func (a *appCookies) restore(h http.Header, who *policy.Identity) {
	lines := h["Cookie"]
	kept := lines[:0]
	for _, line := range lines {
		if line, left := a.restoreLine(line, who); left {
			kept = append(kept, line)
		}
	}
	if len(kept) == 0 {
		delete(h, "Cookie")
		return
	}
	h["Cookie"] = kept
}

// restoreLine reports false when nothing is left of the line.
func (a *appCookies) restoreLine(line string, who *policy.Identity) (rest string, left bool) {
	var out strings.Builder
	changed := false
	for from, to := 0, 0; from <= len(line); from = to + 1 {
		to = len(line)
		if i := strings.IndexByte(line[from:], ';'); i >= 0 {
			to = from + i
		}
		pair := line[from:to]
		tag, keep := a.judge(pair, who)
		if !changed {
			if keep && tag < 0 {
				continue
			}
			changed = true
			out.Grow(len(line))
			out.WriteString(line[:max(from-1, 0)])
		}
		if !keep {
			continue
		}
		if out.Len() > 0 {
			out.WriteByte(';')
		}
		if tag >= 0 {
			name, value, _ := strings.Cut(pair[:tag], "=")
			if who == nil {
				name = strings.TrimSuffix(name, nobodys)
			}
			out.WriteString(name)
			out.WriteByte('=')
			out.WriteString(value)
			pair = pair[tag+tagged:]
		}
		out.WriteString(pair)
	}
	if !changed {
		return line, true
	}
	rest = strings.TrimLeft(out.String(), " \t")
	return rest, rest != ""
}

// judge says whether a pair of the Cookie header may pass, and where in it the
// tag stands that the app must not see; less than 0 for a pair without one.
func (a *appCookies) judge(pair string, who *policy.Identity) (tag int, keep bool) {
	if !a.lists(strings.TrimSuffix(cookieName(pair), nobodys)) {
		return -1, !a.hides(pair)
	}
	trimmed := strings.TrimRight(pair, " \t")
	name, value, _ := strings.Cut(strings.TrimLeft(trimmed, " \t"), "=")
	name, ofNobody := strings.CutSuffix(name, nobodys)
	bare, quotes := unquoted(value)
	if ofNobody != (who == nil) || len(bare) < tagged || bare[len(bare)-tagged] != '.' {
		return -1, false
	}
	value, text := bare[:len(bare)-tagged], bare[len(bare)-tagSize:]
	return len(trimmed) - quotes - tagged, a.keys.verify(text, a.cookieOf(who, name, value))
}

// hides reports whether a pair holds a listed cookie behind a comma, which old
// servers take for a semicolon (RFC 2965 section 3.4).
func (a *appCookies) hides(pair string) bool {
	for found := true; found; {
		if _, pair, found = strings.Cut(pair, ","); strings.Contains(pair, "=") && a.lists(cookieName(pair)) {
			return true
		}
	}
	return false
}

// unquoted takes the quotes off a value, and says how many there were on each side.
func unquoted(value string) (bare string, quotes int) {
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		return value[1 : len(value)-1], 1
	}
	return value, 0
}

// lists reports whether an app could read a cookie's name as a listed one. It is
// generous: another cookie that is taken for a listed one is bound as well.
func (a *appCookies) lists(name string) bool {
	return slices.ContainsFunc(a.folded, func(want string) bool { return readsAs(name, want) })
}

// readsAs reports whether a name folds to want, or to an array of that name.
// PHP decodes %XX and "+" in names (before 7.2.34, CVE-2020-7070, as do Perl and
// Ruby), ends them at a NUL, skips leading spaces, and reads " ", "." and "[" as
// "_", but for "name[index]" (main/php_variables.c). ASP.NET ignores case.
func readsAs(name, want string) bool {
	for leading := true; name != ""; {
		var c byte
		c, name = nextFolded(name)
		switch {
		case c == 0:
			return want == ""
		case leading && c == ' ':
			continue
		case want == "":
			return c == '['
		case c == ' ' || c == '.' || c == '[':
			c = '_'
		}
		if c != want[0] {
			return false
		}
		leading, want = false, want[1:]
	}
	return want == ""
}

// foldCookieName gives the name that readsAs compares with.
func foldCookieName(name string) string {
	var out []byte
	for name != "" {
		var c byte
		c, name = nextFolded(name)
		switch {
		case c == 0:
			return string(out)
		case c == ' ' && len(out) == 0:
			continue
		case c == ' ' || c == '.' || c == '[':
			c = '_'
		}
		out = append(out, c)
	}
	return string(out)
}

// nextFolded decodes one byte of a name that is not empty, without its case.
func nextFolded(name string) (c byte, rest string) {
	c, rest = name[0], name[1:]
	if c == '%' && len(rest) >= 2 {
		if n, err := strconv.ParseUint(rest[:2], 16, 8); err == nil {
			c, rest = byte(n), rest[2:]
		}
	} else if c == '+' {
		c = ' '
	}
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c, rest
}
