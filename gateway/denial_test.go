package gateway_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/policy"
)

// TestEveryRefusalIsExplainedInTheLog: an operator who is given a request's
// number finds why it was refused, and by which rule.
func TestEveryRefusalIsExplainedInTheLog(t *testing.T) {
	w, cron, late, _ := machineRoom(t, func(c *gateway.Config) {
		c.Routes[1].Policy = rules(t, policy.Rule{Path: "/closed", Allow: policy.Allow{Deny: true}}, policy.Rule{Path: "/open", Allow: policy.Allow{Public: true}})
		c.Routes[1].Maintenance = &gateway.Maintenance{On: true}
	})
	at, second := w.routes[0].Origin, w.routes[1].Origin
	paul, nobody := w.browser(), w.browser()
	paul.signIn(at+"/x", teams[0], "U0PAUL")
	w.advance(time.Hour) // late has ended
	page, spent := []string(nil), w.link(gateway.BreakGlass{})
	nobody.press(spent)
	nobody = w.browser()
	for name, row := range map[string]struct {
		who      *browser
		request  string
		header   []string
		status   int
		decision string // of the policy and its reason; empty: it was not asked
		rule     int
		failure  string
	}{
		"unknown host":       {nobody, "GET " + at + "/", []string{"Host", "nobody.localhost"}, 421, "", 0, "unknown_host"},
		"ambiguous path":     {nobody, "GET " + at + "/a%2fb", page, 400, "", 0, "ambiguous_path: ambiguous path: encoded slash"},
		"page to Slack":      {nobody, "GET " + at + "/x", page, 302, "login sign_in", 5, ""},
		"background":         {nobody, "GET " + at + "/x", program(nil), 401, "login sign_in", 5, "sign_in_required"},
		"form":               {nobody, "POST " + at + "/x", page, 401, "login sign_in", 5, "form_not_sent"},
		"foreign form":       {nobody, "POST " + at + "/x", append([]string{"Origin", second}, page...), 403, "login sign_in", 5, "foreign_origin"},
		"another port":       {paul, "POST " + at + "/.gateway/sign-out", []string{"Origin", "http://" + host + ":1"}, 403, "", 0, "foreign_origin: a page of this host, but not at " + at + ": look at public_scheme and public_port"},
		"not this person":    {paul, "GET " + at + "/admin/x", page, 403, "deny not_allowed", 3, "not_allowed"},
		"not this address":   {nobody, "GET " + at + "/office/x", page, 403, "deny not_allowed", 4, "not_allowed"},
		"rule denies":        {nobody, "GET " + second + "/closed", page, 403, "deny denied", 0, "not_allowed"},
		"no rule":            {nobody, "GET " + second + "/else", page, 403, "deny no_rule", -1, "not_allowed"},
		"maintenance":        {nobody, "GET " + second + "/open", page, 503, "allow public", 1, "maintenance"},
		"foreign WebSocket":  {nobody, "GET " + at + "/x", []string{"Upgrade", "websocket", "Connection", "Upgrade", "Origin", second}, 403, "", 0, "foreign_origin"},
		"foreign sign-out":   {paul, "POST " + at + "/.gateway/sign-out", []string{"Origin", second}, 403, "", 0, "foreign_origin"},
		"token missing":      {nobody, "GET " + at + "/cron/x", program(nil), 401, "deny not_allowed", 1, "token_required"},
		"token unknown":      {nobody, "GET " + at + "/cron/x", bearer("cgs_x"), 401, "", 0, "token_invalid: unknown"},
		"token expired":      {nobody, "GET " + at + "/cron/x", bearer(late), 401, "", 0, "token_invalid: expired"},
		"token elsewhere":    {nobody, "GET " + at + "/office/x", bearer(cron), 403, "", 0, "token_not_allowed: not for this path"},
		"token on our page":  {nobody, "GET " + at + "/.gateway/me", bearer(cron), 403, "", 0, "token_not_allowed: the gateway's own pages take none"},
		"token is no person": {nobody, "GET " + at + "/admin/x", bearer(cron), 403, "login sign_in", 3, "token_not_allowed"},
		"link spent":         {nobody, "GET " + spent, page, 410, "", 0, "link_spent"},
		"state made up":      {nobody, "GET " + at + "/.gateway/callback?state=x&code=y", page, 400, "", 0, "sign_in_stale: not sealed by this gateway for this purpose"},
		"me":                 {nobody, "GET " + at + "/.gateway/me", program(nil), 401, "", 0, "sign_in_required"},
		"no such page":       {nobody, "GET " + at + "/.gateway/none", page, 404, "", 0, "not_found"},
		"method":             {nobody, "DELETE " + at + "/.gateway/me", page, 405, "", 0, "method_not_allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			method, address, _ := strings.Cut(row.request, " ")
			got := row.who.do(method, address, nil, row.header...)
			if got.StatusCode != row.status {
				t.Fatalf("answered %d, want %d: %s", got.StatusCode, row.status, got.text)
			}
			line := w.accessLine(t, got.Header.Get("X-Request-Id"))
			if decision := strings.TrimSpace(line.Decision + " " + line.Reason); decision != row.decision || line.Rule != row.rule || line.Failure != row.failure {
				t.Errorf("logged %+v, want %q, rule %d, %q", line, row.decision, row.rule, row.failure)
			}
			if row.status != 302 && line.Failure == "" {
				t.Error("refused without a reason")
			}
		})
	}
}

type accessLine struct {
	RequestID string `json:"request_id"`
	Msg       string
	Status    int
	Decision  string
	Reason    string
	Rule      int
	Failure   string
}

// accessLine finds the log's line of a request.
func (w *world) accessLine(t *testing.T, id string) accessLine {
	t.Helper()
	for line := range strings.Lines(w.log.String()) {
		if !strings.Contains(line, id) {
			continue
		}
		var l accessLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		if l.Msg == "request" && l.RequestID == id {
			return l
		}
	}
	t.Fatalf("no access line for request %q", id)
	return accessLine{}
}
