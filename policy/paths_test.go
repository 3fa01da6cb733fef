package policy_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/policy"
)

// TestPathsContainOnlyWhatIsCertain: what a server could read as another path
// is not among the paths.
func TestPathsContainOnlyWhatIsCertain(t *testing.T) {
	paths, err := policy.NewPaths([]string{"/cron/*", "/feed.php", "/a/*/b"}, false)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"/cron": true, "/cron/": true, "/cron/nightly/x": true, "/cronx": false, "/Cron/x": false, "/": false, "": false,
		"/feed.php": true, "/feed.php/x": false, "/feed.php/": false, "/a/x/b": true, "/a/b": false,
		"/cron//x": true, "/cron;x/y": false, "//cron/x": false, "/cron/x;y=/admin": true, "/cron%2Fx": false,
	} {
		if got := paths.Contains(path); got != want {
			t.Errorf("%q: contained %t, want %t", path, got, want)
		}
	}
	folded, err := policy.NewPaths([]string{"/Cron/*"}, true)
	if err != nil || !folded.Contains("/cRON/x") {
		t.Errorf("without regard to case: %v", err)
	}
	if (*policy.Paths)(nil).Contains("/cron") {
		t.Error("no paths contain one")
	}
	if _, err := policy.NewPaths([]string{"/ok", "cron"}, false); err == nil || !strings.Contains(err.Error(), `[1] does not begin with /`) {
		t.Errorf("got %v", err)
	}
}

func TestRuleAsText(t *testing.T) {
	for want, rule := range map[string]policy.Rule{
		"{path: /assets/*, allow: public}":                                                     {Path: "/assets/*", Allow: policy.Allow{Public: true}},
		"{path: /**, methods: [GET, POST], allow: members}":                                    {Path: "/**", Methods: []string{"GET", "POST"}, Allow: policy.Allow{Members: true}},
		`{path: /index.php, query: {a: "", page: admin}, allow: {emails: [m@x.fr]}}`:           {Path: "/index.php", Query: map[string]string{"page": "admin", "a": ""}, Allow: policy.Allow{Emails: []string{"m@x.fr"}}},
		"{path: /c, allow: {service_tokens: [cron], admins: true, cidrs: [10.0.0.0/8, ::/0]}}": {Path: "/c", Allow: policy.Allow{Admins: true, ServiceTokens: []string{"cron"}, CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::/0")}}},
		`{path: "/a b", allow: deny}`:                                                          {Path: "/a b", Allow: policy.Allow{Deny: true}},
	} {
		if got := rule.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
