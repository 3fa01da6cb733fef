package proxy

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// theirs matches, as CGI writes them, names that a client must not say anything
// under; httpsOwn those that it may, but in their own spelling only.
var (
	theirs   = regexp.MustCompile(`^(X_FORWARDED(_.*)?|X_(GATEWAY|ORIGINAL|REWRITE|AUTH_REQUEST|WEBAUTH)_.*|(X_)?REMOTE_.*|FORWARDED(_FOR)?|(X_)?CLIENT_IP|X_REAL_IP|X_HTTP_METHOD(_OVERRIDE)?|X_METHOD_OVERRIDE|PROXY|HTTPS|AUTH_TYPE|(PHP_AUTH|REDIRECT|SSL)_.*|X_NOTIFY|X_PERSON|SEC_TEAM)$`)
	httpsOwn = regexp.MustCompile(`^(CONTENT_TYPE|USER_AGENT|COOKIE|AUTHORIZATION|HOST|ORIGIN|IF_NONE_MATCH|SEC_(FETCH|CH)_.*)$`)
)

// FuzzReservedHeaders: no name is left that an app could read as a reserved one,
// or as another than was judged; HTTP's own are.
func FuzzReservedHeaders(f *testing.F) {
	for _, name := range []string{"X-Forwarded-User", "x_forwarded.user", "X!Gateway~Team", "X-Forwarde", "Remote_User", "Accept", "XáGAtewAY ", strings.Repeat("x", 70), "x.person", "Sec-Team", "sec_team",
		"Content_Length", "content.type", "Content-Type", "Sec_Fetch-Site", "Sec-Fetch-Site", "sec_fetch_" + strings.Repeat("x", 70), "PHP_AUTH_USER", "redirect-remote_user", "X-Forwarded", "Https", "X-Requested-With", ""} {
		f.Add(name)
	}
	r := newReserved(Headers{User: "X-Person", Team: "Sec-Team"}.withDefaults())
	f.Fuzz(func(t *testing.T, name string) {
		h := http.Header{name: {"forged"}}
		r.strip(h)
		_, left := h[name]
		cgi, plain := cgiName(name), strings.Trim(strings.ToUpper(name), "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == ""
		switch {
		case left && theirs.MatchString(cgi), left && !plain && httpsOwn.MatchString(cgi):
			t.Errorf("%q is left", name)
		case !left && plain && httpsOwn.MatchString(cgi):
			t.Errorf("%q is gone", name)
		}
	})
}

// cgiName is name as PHP and Apache write it: byte by byte, so that "á" is two
// characters, as it is to them.
func cgiName(name string) string {
	out := []byte(name)
	for i, c := range out {
		switch {
		case 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case 'a' <= c && c <= 'z':
			out[i] = c - 'a' + 'A'
		default:
			out[i] = '_'
		}
	}
	return string(out)
}

// FuzzCookies: none of ours is left, and of the others nothing changes.
func FuzzCookies(f *testing.F) {
	f.Add("a=1; __Host-gw=x;b=gw;; gw=")
	f.Add("=gw=1; gw-x")
	f.Fuzz(func(t *testing.T, line string) {
		rest, left := withoutOwnCookies(line)
		var want []string
		for _, pair := range strings.Split(line, ";") {
			if !OwnCookie(cookieName(pair)) {
				want = append(want, strings.TrimSpace(pair))
			}
		}
		var got []string
		for _, pair := range strings.Split(rest, ";") {
			if OwnCookie(cookieName(pair)) {
				t.Errorf("%q is left of %q", pair, line)
			}
			got = append(got, strings.TrimSpace(pair))
		}
		if left && !slices.Equal(got, want) {
			t.Errorf("%q became %q", line, rest)
		}
	})
}
