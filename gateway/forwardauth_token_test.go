package gateway_test

import (
	"slices"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/policy"
)

// TestForwardAuthKeepsServiceTokens (CVE-2024-47616): what the proxy is told to
// hand on as Authorization is what the client sent, but never a token of ours.
func TestForwardAuthKeepsServiceTokens(t *testing.T) {
	token, hash := gateway.NewServiceToken()
	in := newInside(t, func(c *gateway.Config) {
		rules, err := policy.New([]policy.Rule{
			{Path: "/public/*", Allow: policy.Allow{Public: true}},
			{Path: "/cron/*", Allow: policy.Allow{ServiceTokens: []string{"cron"}}},
		}, false)
		must(t, err)
		c.Routes[0].Policy = rules
		c.Routes[0].ServiceTokens = []gateway.ServiceToken{{ID: "cron", Hash: hash, NotAfter: c.Now().Add(time.Hour), Paths: []string{"/cron/*"}}}
	})
	for name, row := range map[string]struct{ path, given, want string }{
		"the app's own": {"/public/x", "Basic bGVhOm1kcA==", "Basic bGVhOm1kcA=="},
		"none":          {"/public/x", "", ""},
		"a token":       {"/cron/x", "Bearer " + token.Reveal(), ""},
	} {
		q := page(row.path)
		if row.given != "" {
			q = q.with("Authorization", row.given)
		}
		for _, path := range []string{auth, authNginx} {
			if got := in.ask(path, q); got.StatusCode != 200 || !slices.Equal(got.Header["Authorization"], []string{row.want}) {
				t.Errorf("%s: %s answered %d, Authorization %q", name, path, got.StatusCode, got.Header["Authorization"])
			}
		}
	}
}
