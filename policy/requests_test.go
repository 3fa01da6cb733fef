package policy_test

import (
	"slices"
	"testing"

	"github.com/cocoom/cocoom-gateway/policy"
)

func TestRequests(t *testing.T) {
	signOut, err := policy.NewRequests([]string{"/logout.php", "/index.php?action=logout", "/session/*/end", "/a?x=%C3%A9+t&y="}, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		path, query string
		want        bool
	}{
		{"/logout.php", "", true},
		{"/logout.php", "next=/", true},
		{"/logout.php/", "", true},
		{"//logout.php", "", true},
		{"/logout.php;jsessionid=1", "", true},
		{"/Logout.php", "", false},
		{"/logout.phps", "", false},
		{"/x/logout.php", "", false},
		{"/index.php", "action=logout", true},
		{"/index.php", "x=1&%61ction=log%6Fut", true},
		{"/", "action=logout", true},
		{"/index.php", "action=login&action=logout", true},
		{"/index.php", "action=login", false},
		{"/index.php", "xaction=logout", false},
		{"/index.php", "", false},
		{"/session/12/end", "", true},
		{"/session/end", "", false},
		{"/a", "y=&x=%e9", false},
		{"/a", "y=&x=%c3%a9%20t", true},
		{"", "", false},
	} {
		req := policy.Request{Method: "GET", Path: row.path, RawQuery: row.query}
		if got := signOut.Include(req); got != row.want {
			t.Errorf("%s?%s: %v, want %v", row.path, row.query, got, row.want)
		}
		if (*policy.Requests)(nil).Include(req) || new(policy.Requests).Include(req) {
			t.Errorf("%s?%s is in the empty set", row.path, row.query)
		}
	}
	folded, err := policy.NewRequests([]string{"/Logout.aspx"}, true)
	if err != nil || !folded.Include(policy.Request{Path: "/LOGOUT.aspx"}) {
		t.Errorf("case counts (%v)", err)
	}
	if n := testing.AllocsPerRun(100, func() { signOut.Include(policy.Request{Path: "/index.php", RawQuery: "page=admin"}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestRequestsMistakes(t *testing.T) {
	for name, row := range map[string]struct {
		list []string
		want []string
	}{
		"good":           {[]string{"/logout.php", "/index.php?a=b", "/index.php?a=c"}, nil},
		"no slash":       {[]string{"/a", "logout.php"}, []string{"[1]"}},
		"empty":          {[]string{""}, []string{"[0]"}},
		"bad escapes":    {[]string{"/a%", "/b?x=%"}, []string{"[1]", "[0]"}},
		"bad path":       {[]string{"/a%", "/b/l*"}, []string{"[0]", "[1]"}},
		"no parameter":   {[]string{"/a?"}, []string{"[0]"}},
		"twice":          {[]string{"/a?x=1&x=2"}, []string{"[0]"}},
		"said already":   {[]string{"/a", "/a?x=1", "/a"}, []string{"[1]", "[2]"}},
		"with a host":    {[]string{"https://a.example.com/logout"}, []string{"[0]"}},
		"with fragments": {[]string{"/a#b"}, []string{"[0]"}},
	} {
		var got []string
		policy.ValidateRequests(row.list, func(key, _ string) { got = append(got, key) })
		if !slices.Equal(got, row.want) {
			t.Errorf("%s: mistakes in %q, want %q", name, got, row.want)
		}
		if _, err := policy.NewRequests(row.list, false); (err != nil) != (row.want != nil) {
			t.Errorf("%s: compiling says %v", name, err)
		}
	}
}
