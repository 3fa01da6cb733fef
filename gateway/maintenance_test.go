package gateway_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/policy"
)

// inMaintenance puts the first route of a machineRoom into maintenance.
func inMaintenance(t testing.TB, m gateway.Maintenance) (w *world, cron string) {
	m.On = true
	w, cron, _, _ = machineRoom(t, func(c *gateway.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		c.Routes[0].Maintenance = &m
	})
	return w, cron
}

// TestMaintenance: who could pass, or sign in, is told to come back; who is
// denied learns that and no more; our own pages go on; testers pass.
func TestMaintenance(t *testing.T) {
	w, cron := inMaintenance(t, gateway.Maintenance{Allow: gateway.MaintenanceAllow{
		CIDRs: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, Emails: []string{"Marie@agrafmania.fr"}}})
	at := w.routes[0].Origin
	marie, paul, nobody := w.browser(), w.browser(), w.browser()
	marie.signIn(at+"/.gateway/", teams[0], "U0MARIE")
	paul.signIn(at+"/.gateway/", teams[0], "U0PAUL")
	from := func(addr string, more ...string) []string { return append([]string{"X-Forwarded-For", addr}, more...) }
	for name, row := range map[string]struct {
		who    *browser
		path   string
		header []string
		want   int
	}{
		"nobody":                   {nobody, "/x", nil, 503},
		"nobody, public":           {nobody, "/public/x", nil, 503},
		"nobody, denied":           {nobody, "/office/x", nil, 403},
		"nobody, account":          {nobody, "/.gateway/", nil, 302},
		"nobody, sign in":          {nobody, "/.gateway/login", nil, 302},
		"nobody, keys":             {nobody, "/.gateway/jwks.json", nil, 200},
		"nobody, ambiguous path":   {nobody, "/a%2fb", nil, 400},
		"member":                   {paul, "/x", nil, 503},
		"member, denied":           {paul, "/admin/x", nil, 403},
		"member, me":               {paul, "/.gateway/me", nil, 200},
		"member, background":       {paul, "/x", program(nil), 503},
		"tester by e-mail":         {marie, "/x", nil, 200},
		"tester by address":        {paul, "/x", from("198.51.100.7"), 200},
		"tester, signed out":       {nobody, "/x", from("198.51.100.7"), 302},
		"tester, denied":           {paul, "/admin/x", from("198.51.100.7"), 403},
		"token":                    {nobody, "/cron/x", program(bearer(cron)), 503},
		"token, tester by address": {nobody, "/cron/x", from("198.51.100.7", program(bearer(cron))...), 200},
		"form":                     {paul, "POST /x", nil, 503},
	} {
		t.Run(name, func(t *testing.T) {
			method, path, ok := strings.Cut(row.path, " ")
			if !ok {
				method, path = "GET", row.path
			}
			got := row.who.do(method, at+path, nil, row.header...)
			if got.StatusCode != row.want {
				t.Fatalf("answered %d, want %d: %s", got.StatusCode, row.want, got.text)
			}
			if row.want == 503 && got.Header.Get("Retry-After") != "300" {
				t.Errorf("Retry-After %q, want 300", got.Header.Get("Retry-After"))
			}
			if problem := strings.Contains(got.text, `"code":"maintenance"`); row.want == 503 && problem != (len(row.header) > 0) {
				t.Errorf("a problem: %t", problem)
			}
		})
	}
	if !strings.Contains(w.log.String(), `"decision":"login","reason":"sign_in","rule":5,"failure":"maintenance"`) {
		t.Error("the access log does not say why")
	}
}

// TestMaintenanceWords: the operator's words, in the reader's language, and
// when to come back; the time ends nothing.
func TestMaintenanceWords(t *testing.T) {
	m := gateway.Maintenance{Message: "New <server>.\nThank you.", MessageFR: "Nouveau serveur."}
	m.Until = time.Now().Add(2 * time.Hour).In(time.FixedZone("", 3600))
	w, _ := inMaintenance(t, m)
	get := func(language string) answer {
		return w.browser().get(w.routes[0].Origin+"/x", "Accept-Language", language)
	}
	en, fr := get("en"), get("fr")
	for _, want := range []string{"<p>New &lt;server&gt;.</p>\n<p>Thank you.</p>", "Expected back: " + m.Until.Format("2 January 2006, 15:04") + " (UTC&#43;01:00)", `href="` + w.routes[0].Origin + `/x"`} {
		if !strings.Contains(en.text, want) {
			t.Errorf("English page without %q:\n%s", want, en.text)
		}
	}
	for _, want := range []string{"Nouveau serveur.", "Retour prévu : " + m.Until.Format("02/01/2006 à 15:04") + " (UTC&#43;01:00)"} {
		if !strings.Contains(fr.text, want) {
			t.Errorf("French page without %q:\n%s", want, fr.text)
		}
	}
	if got := en.Header.Get("Retry-After"); got < "7190" || got > "7200" {
		t.Errorf("Retry-After %s, want two hours", got)
	}
	w.advance(3 * time.Hour)
	late := get("en")
	if late.StatusCode != 503 || late.Header.Get("Retry-After") != "300" || strings.Contains(late.text, "Expected back") {
		t.Errorf("afterwards: %d, Retry-After %q\n%s", late.StatusCode, late.Header.Get("Retry-After"), late.text)
	}
}

func TestMaintenanceSwitchedOff(t *testing.T) {
	var m gateway.Maintenance
	if err := m.UnmarshalYAML(func(v any) error { *v.(*bool) = false; return nil }); err != nil || m.On {
		t.Fatal(m, err)
	}
	w := newWorld(t, func(c *gateway.Config) {
		c.Routes[0].Maintenance = &m
		c.Routes[0].Policy = rules(t, policy.Rule{Path: "/**", Allow: policy.Allow{Public: true}})
	})
	if got := w.browser().get(w.routes[0].Origin + "/x"); got.StatusCode != 200 {
		t.Errorf("maintenance: false answered %d", got.StatusCode)
	}
}

// TestAdvisoryOffSiteNextStep (CVE-2020-5233): the step that a page of ours
// advises leads to this very site, whatever address was asked for.
func TestAdvisoryOffSiteNextStep(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) { c.Routes[0].Maintenance = &gateway.Maintenance{On: true} })
	b, at := w.browser(), w.routes[0].Origin
	for _, path := range []string{"/x?y=1", "//evil.example/", "///evil.example", "/;//evil.example"} {
		if to, _ := b.get(at + path).next(); to != at+path {
			t.Errorf("maintenance at %s advises %q", path, to)
		}
		form := b.do("POST", at+"/save", nil, "Referer", at+path, "Content-Type", urlencoded)
		if to, _ := form.next(); to != at+path {
			t.Errorf("a form of the page %s is advised to go to %q", path, to)
		}
	}
}
