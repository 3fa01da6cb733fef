package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/policy"
)

// TestEverybodySeesTheSamePath: whatever a path is spelled like, what looks at it
// besides policy (a service token's paths, the app's own sign-out, the reserved
// prefix, the callback, maintenance, the log) sees the one that the app gets.
func TestEverybodySeesTheSamePath(t *testing.T) {
	b := newBesieged(t)
	token, hash := gateway.NewServiceToken()
	rt := &b.routes[0]
	rt.ServiceTokens = []gateway.ServiceToken{{ID: "cron", Hash: hash, NotAfter: time.Now().Add(48 * time.Hour), Paths: []string{"/cron/*"}}}
	rt.Policy = rules(t, policy.Rule{Path: "/cron/*", Allow: policy.Allow{ServiceTokens: []string{"cron"}}}, policy.Rule{Path: "/**", Allow: policy.Allow{Members: true}})
	var err error
	if rt.SignOut, err = policy.NewRequests([]string{"/logout.php", "/index.php?do=logout"}, false); err != nil {
		t.Fatal(err)
	}
	rt.Login = &gateway.Login{Callback: "/slack/back"}
	apply := func() {
		t.Helper()
		put, err := b.gateway.Prepare(gateway.Settings{Routes: b.routes, Slack: gateway.Slack{Issuer: b.slack.URL(), APIURL: b.slack.URL() + "/api/"}})
		if err != nil {
			t.Fatal(err)
		}
		put()
	}
	apply()
	program, member := "Authorization: Bearer "+token.Reveal()+"\r\n", "Cookie: "+b.paul+"\r\n"
	const out = "/.gateway/signed-out"
	rows := map[string]struct {
		target, more  string
		status        int
		leads         string // what the Location holds
		arrives, logs string
	}{
		"token":                      {"/x/../cron/%61", program, 204, "", "/cron/a", "/cron/a"},
		"token, out of its paths":    {"/cron/%2e%2e/x", program, 403, "", "", "/x"},
		"token, perhaps out":         {"/cron/%252e%252e/x", program, 403, "", "", "/cron/%252e%252e/x"},
		"token, perhaps elsewhere":   {"/cron/x;y", program, 204, "", "/cron/x;y", "/cron/x;y"},
		"token, cut off":             {"/cron%3F/x", program, 403, "", "", "/cron%3F/x"},
		"sign-out, dots":             {"/a/%2e%2e/logout.php", "", 303, out, "", "/logout.php"},
		"sign-out, letters":          {"/%6Cogout%2ephp", "", 303, out, "", "/logout.php"},
		"sign-out, decoded twice":    {"/%256Cogout.php", "", 303, out, "", "/%256Cogout.php"},
		"sign-out, cut off":          {"/logout.php%3Fx", "", 303, out, "", "/logout.php%3Fx"},
		"sign-out, query":            {"/./?%64o=logout", "", 303, out, "", "/"},
		"no sign-out":                {"/logout.php/../x", member, 204, "", "/x", "/x"},
		"prefix":                     {"/a/../%2egateway/me", member, 200, "", "", "/.gateway/me"},
		"prefix left":                {"/.gateway/../x", member, 204, "", "/x", "/x"},
		"prefix, decoded twice":      {"/%252egateway/me", member, 404, "", "", "/%252egateway/me"},
		"callback":                   {"/slack/./b%61ck?state=x", "", 400, "", "", "/slack/back"},
		"page to come back to":       {"/a/../b%2Fc?q", member, 400, "", "", "/a/../b%2Fc"},
		"refused, as it came":        {"/a%5cb", member, 400, "", "", "/a%5cb"},
		"sign-in, spelled strangely": {"/a/%2e%2e/%62?q=%zz", "", 302, "authorize", "", "/b"},
	}
	check := func(t *testing.T, target, more string, status int, leads, arrives, logs string) {
		t.Helper()
		before := len(b.log.String())
		a := b.navigate(t, "GET", target, host, more)
		lines := b.tap.received()
		if a == nil || a.StatusCode != status || !strings.Contains(a.Header.Get("Location"), leads) {
			t.Fatalf("answered %v", a)
		}
		if arrives == "" && lines != nil || arrives != "" && (len(lines) != 1 || lines[0] != "GET "+arrives+" HTTP/1.1") {
			t.Errorf("arrived as %q", lines)
		}
		if log := b.log.String()[before:]; !strings.Contains(log, fmt.Sprintf(`"path":%q`, logs)) {
			t.Errorf("the log has %s", log)
		}
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) { check(t, row.target, row.more, row.status, row.leads, row.arrives, row.logs) })
	}
	rt.Maintenance = &gateway.Maintenance{On: true}
	apply()
	a := b.navigate(t, "GET", "/a/%2e%2e/%62?q=%zz", host, member)
	if a.StatusCode != http.StatusServiceUnavailable || !strings.Contains(a.Trailer.Get("Body"), `href="`+rt.Origin+`/b?q=%25zz"`) && !strings.Contains(a.Trailer.Get("Body"), `href="`+rt.Origin+`/b?q=%zz"`) {
		t.Errorf("in maintenance: %d %s", a.StatusCode, a.Trailer.Get("Body"))
	}
	check(t, "/x/../logout.php", member, 303, out, "", "/logout.php")
}
