package gateway_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/policy"
)

// TestExplainAgreesWithTheGateway: whatever is asked by whomever from wherever,
// explain says what the gateway then does.
func TestExplainAgreesWithTheGateway(t *testing.T) {
	w, cron, late, _ := machineRoom(t, func(c *gateway.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		c.Routes[1].Maintenance = &gateway.Maintenance{On: true, Allow: gateway.MaintenanceAllow{
			CIDRs: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, Emails: []string{"anne@editionsduport.fr"}}}
	})
	explainer, err := gateway.NewExplainer("/.gateway", w.routes)
	if err != nil {
		t.Fatal(err)
	}
	marie, anne := w.browser(), w.browser()
	marie.signIn(w.routes[0].Origin+"/.gateway/", teams[0], "U0MARIE")
	anne.signIn(w.routes[1].Origin+"/.gateway/", teams[1], "U0ANNE")
	w.advance(time.Hour) // late has ended
	type asker struct {
		name  string
		b     *browser
		who   *policy.Identity
		token string
		id    string
	}
	askers := []asker{
		{"nobody", w.browser(), nil, "", ""},
		{"marie", marie, &policy.Identity{User: "U0MARIE", Email: "marie@agrafmania.fr", Admin: true}, "", ""},
		{"anne", anne, &policy.Identity{User: "U0ANNE", Email: "anne@editionsduport.fr"}, "", ""},
		{"cron", w.browser(), nil, cron, "cron"}, {"late", w.browser(), nil, late, "late"},
	}
	outcomes := map[gateway.Outcome]int{}
	for i := range w.routes {
		for _, who := range askers {
			if who.name == "anne" && i == 0 || who.name == "marie" && i == 1 || who.token != "" && i == 1 {
				continue // of the other route
			}
			for _, method := range []string{"GET", "POST"} {
				for _, target := range []string{"/", "/x?a=b", "/public/x", "/admin/x", "//admin/x", "/admin;x", "/cron/x", "/files/x", "/office/x", "/a%2fb", "/..", "/%61dmin/", "//.gateway/x"} {
					for _, addr := range []string{"203.0.113.7", "192.0.2.7", "198.51.100.7"} {
						e, err := explainer.Explain(gateway.Question{Host: w.routes[i].Host, Method: method, Target: target, Who: who.who,
							Addr: netip.MustParseAddr(addr), ServiceToken: who.id, Now: w.clock()})
						if err != nil {
							t.Fatal(err)
						}
						name := fmt.Sprintf("%s %s %s on %s from %s", who.name, method, target, w.routes[i].Host, addr)
						outcomes[e.Outcome()]++
						agree(t, w, who.b, name, e, method, w.routes[i].Origin+target, addr, who.token)
					}
				}
			}
		}
	}
	for _, o := range []gateway.Outcome{gateway.Refused, gateway.SignIn, gateway.Own, gateway.Passes} {
		if outcomes[o] == 0 {
			t.Errorf("no question came to outcome %d", o)
		}
	}
}

func agree(t *testing.T, w *world, b *browser, name string, e gateway.Explanation, method, address, addr, token string) {
	t.Helper()
	page, prog := []string{"X-Forwarded-For", addr}, program([]string{"X-Forwarded-For", addr})
	if token != "" {
		page, prog = append(page, bearer(token)...), append(prog, bearer(token)...)
	}
	// Twice, as a page and as a program.
	for _, ask := range []struct {
		header []string
		want   int
	}{{page, e.Status}, {prog, e.Background}} {
		before := len(w.seen)
		got := b.do(method, address, nil, ask.header...)
		reached := len(w.seen) > before
		switch {
		case reached != (e.Outcome() == gateway.Passes):
			t.Errorf("%s: explained as %q, reached the app: %t", name, e.Code, reached)
		case reached && w.last().RequestURI != e.Forward:
			t.Errorf("%s: the app got %s, explained as %s", name, w.last().RequestURI, e.Forward)
		case ask.want != 0 && got.StatusCode != ask.want:
			t.Errorf("%s: answered %d, explained as %d %s", name, got.StatusCode, ask.want, e.Code)
		}
		line := w.accessLine(t, got.Header.Get("X-Request-Id"))
		if e.Asked && (line.Reason != e.Decision.Reason || line.Rule != e.Decision.Rule) {
			t.Errorf("%s: the gateway decided %s by %d, explained as %s by %d", name, line.Reason, line.Rule, e.Decision.Reason, e.Decision.Rule)
		}
	}
}

func TestExplainWithoutAnAnswer(t *testing.T) {
	ex, err := gateway.NewExplainer("/.gateway", []gateway.Route{{Host: "a.example"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"", "x", "http://a.example/", "/%zz", "*"} {
		if e, err := ex.Explain(gateway.Question{Host: "a.example", Method: "GET", Target: target}); err == nil {
			t.Errorf("%q: %+v", target, e)
		}
	}
	if _, err := gateway.NewExplainer("/.gateway", []gateway.Route{{Host: "a"}, {Host: "a"}}); err == nil {
		t.Error("two routes of one host")
	}
}

// TestExplainForwardAuth: where another proxy carries the requests, the app would
// get a path as it came.
func TestExplainForwardAuth(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) {
		c.Routes[0].Identifier, c.Routes[0].Upstream = c.Routes[0].Upstream.Identifier, nil
	})
	ex, err := gateway.NewExplainer("/.gateway", w.routes)
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]string{"/public/x": "", "/a/../public/x": "ambiguous_path", "/public/%78": ""} {
		if e, err := ex.Explain(gateway.Question{Host: host, Method: "GET", Target: target, Now: time.Now()}); err != nil || e.Code != want {
			t.Errorf("%s is %q (%v), want %q", target, e.Code, err, want)
		}
	}
}

// TestExplainWhoIsKeptOut: whoever gets no session is nobody, and the pages that
// are for nobody in particular pass.
func TestExplainWhoIsKeptOut(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) {
		c.Routes[0].Policy = rules(t, policy.Rule{Path: "/public/*", Allow: policy.Allow{Public: true}},
			policy.Rule{Path: "/closed/*", Allow: policy.Allow{Deny: true}}, policy.Rule{Path: "/**", Allow: policy.Allow{Members: true}})
	})
	ex, err := gateway.NewExplainer("/.gateway", w.routes)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		refused string
		guest   bool
		want    string
	}{{"", false, ""}, {"deactivated", false, "deactivated"}, {"deactivated", true, "deactivated"}, {"guest", true, "guest"}, {"", true, "guest"}, {"guest", false, ""}, {"email_changed", false, "email_changed"}} {
		for path, want := range map[string]string{"/public/x": "", "/closed/x": "denied", "/x": row.want} {
			e, err := ex.Explain(gateway.Question{Host: host, Method: "GET", Target: path, Who: &policy.Identity{User: "U1", Guest: row.guest}, Refused: row.refused, Now: time.Now()})
			if err != nil || e.Code != want && e.Decision.Reason != want {
				t.Errorf("refused as %q, guest: %t: %s is %q, %q (%v), want %q", row.refused, row.guest, path, e.Code, e.Decision.Reason, err, want)
			}
		}
	}
}
