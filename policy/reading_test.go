package policy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/policy"
)

// TestAttackSpellings: whatever a path is spelled like, a rule for everybody
// opens nothing beneath /admin to those servers that find it there.
func TestAttackSpellings(t *testing.T) {
	rules := []policy.Rule{
		{Path: "/public/*", Allow: policy.Allow{Public: true}},
		{Path: "/**/public", Allow: policy.Allow{Public: true}},
		{Path: "/admin/*", Allow: policy.Allow{Deny: true}},
		{Path: "/admin.php", Allow: policy.Allow{Deny: true}},
		{Path: "/**", Allow: policy.Allow{Public: true}},
	}
	plain, folded := build(t, false, rules...), build(t, true, rules...)
	for name, path := range map[string]string{
		"dots":                               "/public/../admin/x",
		"encoded dots":                       "/public/%2e%2E/admin/x",
		"half encoded dots":                  "/public/.%2e/admin/x",
		"encoded letters":                    "/%61dmin/x",
		"double encoding":                    "/public/%252e%252e/admin",
		"double encoding of a letter":        "/%2561dmin/x",
		"double encoding of slashes":         "/public%252F..%252Fadmin",
		"double encoding of backslashes":     "/public/%255c..%255cadmin",
		"triple encoding":                    "/public/%25252e%25252e/admin",
		"mixed encoding":                     "/public/.%252e/admin/",
		"overlong dots":                      "/public/%c0%ae%c0%ae/admin/x",
		"overlong slash":                     "/public/..%c0%afadmin",
		"overlong in three bytes":            "/public/%e0%80%ae%e0%80%ae/admin/x",
		"overlong in four bytes":             "/public/%f0%80%80%ae./admin/x",
		"overlong, encoded twice":            "/public/%25c0%25ae%25c0%25ae/admin/x",
		"full-width dots":                    "/public/．．/admin/x",
		"full-width slash":                   "/admin／x",
		"full-width letters":                 "/ａｄｍｉｎ/x",
		"empty segments":                     "//admin/x",
		"parameters":                         "/admin;x=public/x",
		"parameters before":                  "/;x/admin/x",
		"fragment (CVE-2026-41059)":          "/admin%23/public",
		"query (CVE-2024-38473)":             "/admin.php%3F.css",
		"query, decoded twice":               "/admin.php%253F/public",
		"query, then dots":                   "/x%3F/../admin%3F/public",
		"NUL, decoded twice":                 "/admin.php%2500.css",
		"script with a path behind it":       "/admin.php/x.css",
		"dot at the end":                     "/admin./x",
		"dots at the end":                    "/admin.../x",
		"space at the end":                   "/admin%20/x",
		"dots and spaces":                    "/admin.%20.%20/x",
		"dots with spaces":                   "/public/..%20/admin/x",
		"three dots":                         "/public/.../admin/x",
		"stream of a folder":                 "/admin::$INDEX_ALLOCATION/x",
		"stream of a file":                   "/admin.php::$DATA",
		"double encoding of an empty one":    "/public/%252e%252e//admin",
		"double encoding with parameters":    "/public/%252e%252e;x/admin",
		"parameters, then an encoded slash":  "/admin;x%252Fy/z",
		"parameters with an encoded slash":   "/admin;a%252Fb/z",
		"above the root after decoding":      "/public/%252e%252e/%252e%252e/%252e%252e/admin",
		"empty segment climbed out of":       "/public//%252e%252e/%252e%252e/admin",
		"double encoding of a wide one":      "/public/%25EF%25BC%258E%25EF%25BC%258E/admin",
		"encoded question mark at the start": "/admin/%3F",
	} {
		for fold, p := range map[bool]*policy.Policy{false: plain, true: folded} {
			spelled := path
			if fold {
				spelled = strings.ReplaceAll(strings.ReplaceAll(path, "admin", "aDmIn"), "%2561", "%2541")
			}
			normal, err := policy.NormalizePath(spelled, true)
			if err != nil {
				continue // refused
			}
			if got := p.Decide(policy.Request{Method: "GET", Path: normal}, nil); got.Verdict != policy.Deny {
				t.Errorf("%s: %s passes by rule %d; readings %q", name, spelled, got.Rule, policy.OtherReadings(normal))
			}
		}
	}
}

// TestHonestPathsHaveOneReading: what people and apps write is not taken for
// something else.
func TestHonestPathsHaveOneReading(t *testing.T) {
	for _, path := range []string{"/", "/a/b.php", "/caf%C3%A9/%E6%97%A5%E6%9C%AC", "/.well-known/x", "/100%25", "/a%20b.pdf", "/v1.0/x:y", "/~me/", "/%E9t%E9/%E0%20la", "/%F0%9F%98%80"} {
		normal, err := policy.NormalizePath(path, false)
		if err != nil || normal != path {
			t.Errorf("%s: %s, %v", path, normal, err)
		}
		if others := policy.OtherReadings(path); len(others) > 0 {
			t.Errorf("%s is also read as %q", path, others)
		}
	}
}

// TestReadingsAreBounded: a path of all that can be read in two ways is refused
// where it is long, or makes no more readings than there are combinations.
func TestReadingsAreBounded(t *testing.T) {
	const all = "/a;b//c%252e%252e/d%3Fe%23/f./%2Fg"
	normal, err := policy.NormalizePath(all, true)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(policy.OtherReadings(normal)); n == 0 || n > 63 {
		t.Errorf("%d readings", n)
	}
	if _, err := policy.NormalizePath(strings.Repeat(all, 70), true); err == nil {
		t.Error("a long one is not refused")
	}
	if _, err := policy.NormalizePath("/"+strings.Repeat("a", 8000), true); err != nil {
		t.Errorf("a long one with one reading: %v", err)
	}
}

// FuzzReadings: readings do not depend on what has been read already, none has a
// dot segment, and none is the path of another host or no path.
func FuzzReadings(f *testing.F) {
	for _, seed := range []string{"/a;b//c%252e%252e/d%3Fe/f./%2Fg", "/public/%c0%ae%c0%ae/x", "/．．／ａ", "/a::$DATA", "/%2525252e", "/...%20/.%20", "/x%3F", "/%3F", "/%25%32%65"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		normal, err := policy.NormalizePath(path, true)
		if err != nil {
			return
		}
		all := policy.OtherReadings(normal)
		if len(all) > 63 {
			t.Fatalf("%q has %d readings", normal, len(all))
		}
		for _, r := range all {
			if !strings.HasPrefix(r, "/") || slices.Contains(strings.Split(r, "/"), "..") || slices.Contains(strings.Split(r, "/"), ".") {
				t.Errorf("%q is read as %q", normal, r)
			}
		}
	})
}
