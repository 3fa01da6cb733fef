package policy_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/policy"
)

func TestNormalizePath(t *testing.T) {
	const refused = ""
	tests := []struct{ in, strict, lenient string }{
		{"/", "/", "/"},
		{"/a/b/", "/a/b/", "/a/b/"},
		{"/%61dmin", "/admin", "/admin"},
		{"/%2egateway/x", "/.gateway/x", "/.gateway/x"},
		{"//.gateway/x", "//.gateway/x", "//.gateway/x"},
		{"/a/../.gateway/x", "/.gateway/x", "/.gateway/x"},
		{"/a/%2E%2e/b", "/b", "/b"},
		{"/a/./b/.", "/a/b/", "/a/b/"},
		{"/a/b/..", "/a/", "/a/"},
		{"/a//../b", "/a/b", "/a/b"},
		{"/a/..//b", "//b", "//b"},
		{"/...", "/...", "/..."},
		{"/.well-known/x", "/.well-known/x", "/.well-known/x"},
		{"/é", "/%C3%A9", "/%C3%A9"},
		{"/%c3%a9", "/%C3%A9", "/%C3%A9"},
		{"/%e9", "/%E9", "/%E9"},
		{"/a b\"<>^`{|}[]", "/a%20b%22%3C%3E%5E%60%7B%7C%7D%5B%5D", "/a%20b%22%3C%3E%5E%60%7B%7C%7D%5B%5D"},
		{"/-._~!$&'()*+,;=:@", "/-._~!$&'()*+,;=:@", "/-._~!$&'()*+,;=:@"},
		{"/%21%24%26%27%28%29%2a%2B%2c%3d%3A%40%7E", "/!$&'()*+,=:@~", "/!$&'()*+,=:@~"},
		{"/a%3bb;c", "/a%3Bb;c", "/a%3Bb;c"},
		{"/private%23/public", "/private%23/public", "/private%23/public"},
		{"/a%3fb", "/a%3Fb", "/a%3Fb"},
		{"/100%25", "/100%25", "/100%25"},
		{"/%252e%252e/x", "/%252e%252e/x", "/%252e%252e/x"},
		{"/a%2fb", refused, "/a%2Fb"},
		{"/a%2F../b", refused, refused},
		{"/a/..%2fb", refused, refused},
		{"/a%2F.;x/b", refused, refused},
		{"/a;x%2f..", refused, refused},
		{"/..;/admin", refused, refused},
		{"/a/%2e%2e;x=1/b", refused, refused},
		{"/a/.;/b", refused, refused},
		{"/..", refused, refused},
		{"/a/../../b", refused, refused},
		{"/a\\b", refused, refused},
		{"/a%5cb", refused, refused},
		{"/a%00", refused, refused},
		{"/a%0d%0a", refused, refused},
		{"/a\tb", refused, refused},
		{"/a%7F", refused, refused},
		{"/%", refused, refused},
		{"/%4", refused, refused},
		{"/%u002e", refused, refused},
		{"", refused, refused},
		{"a", refused, refused},
		{"*", refused, refused},
	}
	for _, tt := range tests {
		for slash, want := range map[bool]string{false: tt.strict, true: tt.lenient} {
			got, err := policy.NormalizePath(tt.in, slash)
			var ambiguous *policy.PathError
			if got != want || (want == refused) != errors.As(err, &ambiguous) {
				t.Errorf("NormalizePath(%q, %v) = %q, %v; want %q", tt.in, slash, got, err, want)
			}
		}
	}
}

func TestNormalPathIsNotCopied(t *testing.T) {
	for _, path := range []string{"/", "/documents/12/view", "/.well-known/a.b/caf%C3%A9", "/a//b;c"} {
		n := testing.AllocsPerRun(100, func() {
			if got, err := policy.NormalizePath(path, false); err != nil || got != path {
				t.Fatal(got, err)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", path, n)
		}
	}
}

func FuzzNormalizePath(f *testing.F) {
	for _, seed := range []string{"/a/%2e./b", "//..;x/%2f", "/%C3%A9%e9;%3b", "/./../.", "/a%2F..%2F"} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, path string, slash bool) {
		got, err := policy.NormalizePath(path, slash)
		if err != nil {
			return
		}
		if again, err := policy.NormalizePath(got, slash); again != got || err != nil {
			t.Errorf("%q became %q, and that %q, %v", path, got, again, err)
		}
		decoded, err := url.PathUnescape(got)
		if err != nil {
			t.Fatalf("%q became %q: %v", path, got, err)
		}
		for segment := range strings.SplitSeq(decoded, "/") {
			name, _, _ := strings.Cut(segment, ";")
			if segment == "." || segment == ".." || name == ".." {
				t.Errorf("%q became %q, which has a dot segment", path, got)
			}
		}
		if strings.ContainsAny(decoded, "\\\x00\r\n") || !slash && strings.Contains(got, "%2F") {
			t.Errorf("%q became %q", path, got)
		}
		// What is sent is what was matched: net/url writes it unchanged.
		if sent := (&url.URL{Path: decoded, RawPath: got}).EscapedPath(); sent != got {
			t.Errorf("%q would be sent as %q", got, sent)
		}
		if unescaped, err := url.PathUnescape(path); err == nil && !strings.Contains(path, ".") && !strings.Contains(strings.ToLower(path), "%2e") && unescaped != decoded {
			t.Errorf("%q became %q, another path", path, got)
		}
	})
}

func BenchmarkNormalizePath(b *testing.B) {
	for name, path := range map[string]string{"normal": "/documents/12/view.php", "escaped": "/a/%2e%2e/caf%c3%a9/./x"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := policy.NormalizePath(path, false); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
