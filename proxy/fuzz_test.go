package proxy

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// FuzzReservedHeaders: no name that an app could read as a reserved one is
// left, and names that no app could are.
func FuzzReservedHeaders(f *testing.F) {
	for _, name := range []string{"X-Forwarded-User", "x_forwarded.user", "X!Gateway~Team", "X-Forwarde", "Remote_User", "Accept", "XáGAtewAY ", strings.Repeat("x", 70)} {
		f.Add(name)
	}
	r := newReserved(Headers{}.withDefaults())
	f.Fuzz(func(t *testing.T, name string) {
		h := http.Header{name: {"forged"}, "Accept": {"*/*"}}
		r.strip(h)
		_, left := h[name]
		cgi := cgiName(name)
		dangerous := strings.HasPrefix(cgi, "X_FORWARDED_") || strings.HasPrefix(cgi, "X_GATEWAY_") || strings.HasPrefix(cgi, "X_ORIGINAL_") || cgi == "REMOTE_USER" || cgi == "PROXY"
		if dangerous && left {
			t.Errorf("%q is left", name)
		}
		if !left && !strings.HasPrefix(cgi, "X_") && !r.has(name) {
			t.Errorf("%q is gone", name)
		}
		if h["Accept"] == nil && name != "Accept" {
			t.Error("Accept is gone")
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
